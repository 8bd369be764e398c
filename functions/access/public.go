package access

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/firnlog/firn/layout/fault"
)

// special are addresses that look public and are not, or that lead to another
// one: from the registries of special-purpose addresses (RFC 6890, IANA), and
// where clouds answer their own machines.
var special = prefixes(
	"0.0.0.0/8",        // this network
	"100.64.0.0/10",    // carriers, and the metadata of Alibaba
	"168.63.129.16/32", // the machines of Azure
	"192.0.0.0/24",     // protocols, and the metadata of Oracle
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // relays to IPv6
	"198.18.0.0/15",    // measurements
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"240.0.0.0/4",      // reserved
	"::/96",            // IPv4 inside IPv6, as it was once written
	"::ffff:0:0:0/96",  // and as translators write it
	"64:ff9b::/96",     // NAT64: leads to any IPv4 address
	"64:ff9b:1::/48",   // the same, local
	"100::/64",         // discarded
	"2001::/23",        // protocols, Teredo among them
	"2001:db8::/32",    // documentation
	"2002::/16",        // 6to4: leads to any IPv4 address
	"fec0::/10",        // sites, as it was once written
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// publicDialer returns a dialer that connects to public addresses only.
func publicDialer() *net.Dialer { return &net.Dialer{Timeout: jwksTimeout, Control: publicOnly} }

// publicOnly refuses connections to addresses that only machines of a private
// network have, such as the metadata services of clouds. It is for
// [net.Dialer.Control], which sees what a name was resolved to for this very
// connection: so a name cannot lead there either, whatever it was resolved to
// before.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	public := ip.IsGlobalUnicast() && !ip.IsPrivate()
	for _, p := range special {
		public = public && !p.Contains(ip)
	}
	if !public {
		return fault.New(fault.Invalid, "%v is no public address", ip)
	}
	return nil
}
