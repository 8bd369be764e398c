package verify

import (
	"bufio"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteText writes the report for people: a table of the instances, then the
// warnings, the faults, and the verdict as the last line.
func (r *Report) WriteText(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "catalog state %d, %s\n", r.Catalog, count(len(r.Instances), "instance"))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Instances) > 0 {
		fmt.Fprintln(t, "\ninstance\tstate\tsnapshot\tevents\tstreams\tfiles\ttail\tbytes\tfolded\tdropped\torphans\t")
	}
	for _, i := range r.Instances {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			i.ID, i.State, i.Snapshot, i.Events, i.Streams, i.Files, i.Commits, i.Bytes, i.Folded, i.Dropped, i.Orphans)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	lines(out, "warning", r.Warnings)
	lines(out, "FAULT", r.Faults)
	if r.OK() {
		fmt.Fprintln(out, "\nno fault found")
	} else {
		fmt.Fprintf(out, "\n%s found\n", count(len(r.Faults), "fault"))
	}
	return out.Flush()
}

// lines writes one paragraph for each fault.
func lines(w io.Writer, what string, faults []Fault) {
	for _, f := range faults {
		fmt.Fprintf(w, "\n%s %s %s\n    %s\n", what, f.Kind, f.Key, f.Text)
		if f.More > 0 {
			fmt.Fprintf(w, "    and %d more like this\n", f.More)
		}
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
