package segment

import (
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// number is a JSON number as the query language takes it: whole if it is an
// integer within int64 however it is written, else a float64.
type number struct {
	whole    bool
	overflow bool // beyond float64, which is taken as its largest
	n        int64
	f        float64 // if not whole
}

func readNumber(raw []byte) number {
	if n, ok := shortInt(raw); ok {
		return number{whole: true, n: n}
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return number{whole: true, n: n}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return number{whole: true, n: int64(f)}
	}
	return number{f: f, overflow: err != nil}
}

// shortInt reads up to 18 digits, which cannot overflow.
func shortInt(raw []byte) (n int64, ok bool) {
	digits := raw
	if len(raw) > 0 && raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(raw) {
		n = -n
	}
	return n, true
}

// asFloat returns a whole number as a float64, if that is exact.
func asFloat(n int64) (float64, bool) {
	f := float64(n)
	return f, f < 1<<63 && int64(f) == n
}

// spelled reports whether raw is how ECMAScript, and so the query language,
// writes f, which is no whole number.
func spelled(raw []byte, f float64) bool {
	if plainDecimal(raw) {
		return true
	}
	var buf [32]byte
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		return string(strconv.AppendFloat(buf[:0], f, 'f', -1, 64)) == string(raw)
	}
	return jsontext.Float(f).String() == string(raw)
}

// plainDecimal reports whether raw is a decimal fraction of at most 15 digits
// without an exponent or a zero at its end, and not too small. Such a text is
// always the shortest for its float64.
func plainDecimal(raw []byte) bool {
	if len(raw) > 16 || len(raw) == 0 || raw[len(raw)-1] == '0' {
		return false
	}
	point, leading := false, 0
	for _, c := range raw {
		switch {
		case c == '.':
			point = true
		case c == '-':
		case c < '0' || c > '9':
			return false
		case c == '0' && leading >= 0:
			leading++
		case leading >= 0:
			if leading > 5 { // 0.00000…: below 1e-5, where exponents begin to be near
				return false
			}
			leading = -1
		}
	}
	return point && leading < 0
}
