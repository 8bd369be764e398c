package main

import (
	"bytes"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	var out bytes.Buffer
	tab := newTable(&out, "id", "name")
	for _, row := range [][]string{{"a", "日本"}, {"日本語", "\x1b[31mred\u202e\n"}, {"b", ""}} {
		if err := tab.add(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := tab.flush(); err != nil {
		t.Fatal(err)
	}
	if err := tab.add("later", "row"); err != nil {
		t.Fatal(err)
	}
	if err := tab.flush(); err != nil {
		t.Fatal(err)
	}
	want := "ID      NAME\na       日本\n日本語  \\u001b[31mred\\u202e\\u000a\nb\nlater   row\n"
	if out.String() != want {
		t.Errorf("got\n%q, want\n%q", out.String(), want)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"short", 5, "short"}, {"longer", 5, "long…"}, {"日本語", 5, "日本…"}, {"", 1, ""},
	} {
		if got := cut(c.text, c.width); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -999: "-999"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 27_200_000: "27.2 MB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := timeText(time.Date(2026, 11, 22, 1, 0, 0, 5, time.FixedZone("", 3600))); got != "2026-11-22 00:00:00Z" {
		t.Errorf("got %q", got)
	}
}
