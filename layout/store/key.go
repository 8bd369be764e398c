package store

import (
	"context"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

const (
	maxKey     = 900 // bytes; S3 allows 1024, the rest is for a bucket's prefix
	maxSegment = 200 // bytes; file systems allow 255, the rest is for temporary names
)

// CheckKey returns an error of kind Invalid unless key can name an object:
// slash-separated segments of [a-zA-Z0-9=._-], none empty and none beginning
// with a dot, at most 200 bytes each and 900 in all. These characters mean
// themselves in every URL, file system and shell, and names that begin with a
// dot are left to the drivers.
func CheckKey(key string) error {
	if len(key) > maxKey {
		return fault.New(fault.Invalid, "key %.40q… has %d bytes, at most %d are allowed", key, len(key), maxKey)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if what := badSegment(segment); what != "" {
			return fault.New(fault.Invalid, "key %q: %s", key, what)
		}
	}
	return nil
}

// badSegment says what is wrong with one segment of a key, if anything is.
func badSegment(s string) string {
	switch {
	case s == "":
		return "empty segment (a key neither begins nor ends with a slash, nor has two in a row)"
	case s[0] == '.':
		return "a segment begins with a dot"
	case len(s) > maxSegment:
		return "a segment has more than 200 bytes"
	}
	for i := range len(s) {
		if !keyByte(s[i]) {
			return "only letters, digits and = . _ - are allowed between slashes"
		}
	}
	return ""
}

func keyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '=' || c == '.' || c == '_' || c == '-'
}

// begin checks what every call on a key checks before it touches the store.
func begin(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return alive(ctx)
}

// alive returns an error of kind Unavailable when ctx has ended.
func alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.New(fault.Unavailable, "not begun: %w", context.Cause(ctx))
	}
	return nil
}

// checkTags applies S3's limits on object tags in every driver: at most 10,
// names of 1 to 128 and values of up to 256 bytes, of the characters that all
// services allow.
func checkTags(tags map[string]string) error {
	if len(tags) > 10 {
		return fault.New(fault.Invalid, "%d tags, at most 10 are allowed", len(tags))
	}
	for name, value := range tags {
		if name == "" || len(name) > 128 || len(value) > 256 || !tagText(name) || !tagText(value) {
			return fault.New(fault.Invalid, "tag %.140q=%.260q: a name has 1 to 128 bytes, a value up to 256, "+
				"of letters, digits, space and + - = . _ : / @", name, value)
		}
	}
	return nil
}

func tagText(s string) bool {
	for i := range len(s) {
		if !keyByte(s[i]) && !strings.ContainsRune(" +:/@", rune(s[i])) {
			return false
		}
	}
	return true
}
