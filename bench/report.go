package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one line of the table: what was measured of Firn and of its peers in
// turns.
type row struct {
	Work    string            `json:"work"`
	Unit    string            `json:"unit"`
	Firn    *figure           `json:"firn,omitempty"`
	Machine *figure           `json:"machine,omitempty"` // what the machine itself does, in the place of both
	Peers   map[string]figure `json:"peers,omitempty"`
	Detail  map[string]int64  `json:"detail,omitempty"`
	Note    string            `json:"note,omitempty"`
}

// figure is what several runs gave.
type figure struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Runs   int     `json:"runs"`
}

// figureOf sums up runs.
func figureOf(runs ...float64) figure {
	runs = slices.Clone(runs)
	slices.Sort(runs)
	n := len(runs)
	return figure{Median: (runs[n/2] + runs[(n-1)/2]) / 2, Min: runs[0], Max: runs[n-1], Runs: n}
}

// figureRef is a figure that a row may be without.
func figureRef(runs ...float64) *figure {
	f := figureOf(runs...)
	return &f
}

// report is all that was measured, in the order in which it was.
type report struct {
	Command string   `json:"command"`
	Date    string   `json:"date"`
	Machine string   `json:"machine"`
	Rows    []row    `json:"rows"`
	Absent  []string `json:"absent,omitempty"` // what was not measured, and why

	live io.Writer // rows are shown here as they come
}

// add takes a row in.
func (r *report) add(one row) {
	r.Rows = append(r.Rows, one)
	if r.live != nil {
		fmt.Fprintln(r.live, strings.Join(one.cells(), "  "))
	}
}

var headings = []string{"work", "unit", "Firn", "peer", "Firn ÷ peer", "detail"}

// cells are the row as the table shows it. A peer has its own ratio.
func (r *row) cells() []string {
	firn := ""
	if r.Firn != nil {
		firn = number(r.Firn.Median)
	}
	var peers, ratios []string
	if r.Machine != nil {
		peers = append(peers, number(r.Machine.Median))
	}
	for _, name := range sortedNames(r.Peers) {
		peers = append(peers, name+" "+number(r.Peers[name].Median))
		if r.Firn != nil && r.Peers[name].Median > 0 {
			ratios = append(ratios, fmt.Sprintf("%.2f", r.Firn.Median/r.Peers[name].Median))
		}
	}
	var detail []string
	for _, name := range sortedNames(r.Detail) {
		detail = append(detail, name+" "+number(float64(r.Detail[name])))
	}
	if r.Note != "" {
		detail = append(detail, r.Note)
	}
	return []string{r.Work, r.Unit, firn, strings.Join(peers, ", "), strings.Join(ratios, ", "), strings.Join(detail, ", ")}
}

func sortedNames[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// number writes a figure with three digits or, from 1,000 on, whole.
func number(f float64) string {
	if f < 1000 && f != float64(int64(f)) {
		return fmt.Sprintf("%.3g", f)
	}
	digits := fmt.Sprintf("%.0f", f)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// text writes the table for people.
func (r *report) text(w io.Writer) error {
	fmt.Fprintf(w, "\n%s\n%s, %s\n\n", r.Command, r.Machine, r.Date)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(headings, "\t"))
	for _, one := range r.Rows {
		fmt.Fprintln(t, strings.Join(one.cells(), "\t"))
	}
	err := t.Flush()
	for _, a := range r.Absent {
		fmt.Fprintln(w, a)
	}
	return err
}

// save writes the report as JSON, and its table in Markdown, to PREFIX.json and
// PREFIX.md.
func (r *report) save(prefix string) error {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(prefix+".json", append(body, '\n'), 0o644); err != nil {
		return err
	}
	var md strings.Builder
	fmt.Fprintf(&md, "`%s`, %s, %s\n\n| %s |\n|%s\n", r.Command, r.Machine, r.Date, strings.Join(headings, " | "), strings.Repeat(" --- |", len(headings)))
	for _, one := range r.Rows {
		fmt.Fprintf(&md, "| %s |\n", strings.Join(one.cells(), " | "))
	}
	for _, a := range r.Absent {
		fmt.Fprintf(&md, "\n%s\n", a)
	}
	return os.WriteFile(prefix+".md", []byte(md.String()), 0o644)
}
