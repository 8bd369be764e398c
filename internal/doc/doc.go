// Package doc reads the project's documents for the tests that hold them to what
// they say.
package doc

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Rows returns the first cells of the tables that stand below the headings given
// in a Markdown file, as they are written.
func Rows(t *testing.T, file string, headings ...string) (cells []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inside, head := false, true
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			inside, head = slices.Contains(headings, heading), true
		}
		if !inside || !strings.HasPrefix(line, "|") {
			continue
		}
		cell := strings.TrimSpace(strings.Split(line, "|")[1])
		if strings.HasPrefix(cell, "---") {
			head = false
		} else if !head {
			cells = append(cells, cell)
		}
	}
	return cells
}

// Covered wants that each row has a test and each test a row. A row's test is one
// of here, or one that elsewhere names as "path/of_test.go TestName", from root.
func Covered(t *testing.T, rows []string, here map[string]bool, root string, elsewhere map[string]string) {
	t.Helper()
	if len(rows) == 0 {
		t.Error("there are no rows")
	}
	for _, row := range rows {
		if !here[row] && elsewhere[row] == "" {
			t.Errorf("the row %q has no test", row)
		}
	}
	for row := range here {
		if !slices.Contains(rows, row) {
			t.Errorf("the test %q is of no row", row)
		}
	}
	for row, place := range elsewhere {
		file, name, _ := strings.Cut(place, " ")
		text, err := os.ReadFile(root + "/" + file)
		if !slices.Contains(rows, row) || err != nil || !strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)") {
			t.Errorf("%q: %s: no such row or test: %v", row, place, err)
		}
	}
}
