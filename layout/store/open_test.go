package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	f := func(url, path string) {
		t.Helper()
		s, err := store.Open(t.Context(), url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			return
		}
		mustPut(t, s, "k", url)
		wantContent(t, openFolder(t, filepath.Join(dir, path)), "k", url)
	}
	f("file://"+dir+"/absolute", "absolute")
	f("file:"+dir+"/absolute2", "absolute2")
	f("file://relative/dir", "relative/dir")
	f("file://./relative/dot", "relative/dot")
	f("file:opaque/dir", "opaque/dir")
	f("file://with%20per cent", "with%20per cent")
}

func TestOpenMemory(t *testing.T) {
	a, errA := store.Open(t.Context(), "mem://")
	b, errB := store.Open(t.Context(), "mem://")
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	mustPut(t, a, "k", "a")
	wantKeys(t, b)
}

func TestOpenRefuses(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	f := func(url, wantText string) {
		t.Helper()
		_, err := store.Open(t.Context(), url)
		wantKind(t, url, err, fault.Invalid)
		if err != nil && !strings.Contains(err.Error(), wantText) {
			t.Errorf("%s: error %q does not say %q", url, err, wantText)
		}
	}
	f("", "not a URL")
	f("/var/lib/firn", "write file:///var/lib/firn")
	f("./data", "write file://./data")
	f("data", "write file://data")
	f("dir/a:b", "write file://dir/a:b")
	f("file://", "comes a path")
	f("file:", "comes a path")
	f("file:///a?x=y", "without parameters")
	f("mem://x", "nothing may come after")
	f("gs://bucket", "unknown scheme gs")
	f("https://bucket.s3.amazonaws.com/", "unknown scheme https")
	f("s3://", "s3://BUCKET")
	f("s3:///prefix", "s3://BUCKET")
	f("s3:bucket", "s3://BUCKET")
	f("s3://id:secret@bucket", "credentials come from the environment")
	f("s3://bucket?regoin=x", "unknown parameter regoin")
	f("s3://bucket?region=x&region=y", "parameter region is given twice")
	f("s3://bucket?region=a;b", "semicolon")
	f("s3://bucket?region=x&path-style=yes", "write true or false")
	f("s3://bucket?endpoint=localhost:9000", "write http://HOST:PORT")
	f("s3://bucket?endpoint=ftp://host", "write http://HOST:PORT")
	f("s3://bucket", "no region")
	f("s3://bucket/a/../b?region=x", "begins with a dot")
	f("s3://bucket/a%20b?region=x", "only letters")
	f("s3://bucket/"+strings.Repeat("p", 100)+"?region=x", "99 bytes")
	f("s3://bu%zzcket", "not a URL")
}

func FuzzCheckKey(f *testing.F) {
	for _, seed := range []string{"a/b", "day=1/x.parquet", "..", "/", "a//b", "ü", "a/./b", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if store.CheckKey(key) != nil {
			return
		}
		// What is accepted stays itself below any directory and in any URL.
		if !filepath.IsLocal(key) || filepath.Clean(key) != key || strings.ContainsAny(key, "%?#\\ \x00") ||
			strings.HasPrefix(key, ".") || strings.Contains(key, "/.") || len(key) > 900 {
			t.Errorf("accepted %q", key)
		}
	})
}

func TestOpenErrorsHideSecrets(t *testing.T) {
	for _, u := range []string{"s3://id:hunter2@bucket", "s3://id:hunter2@bucket?regoin=x", "s3://id:hunter2@bucket/%zz", "s3://hunter2@bucket"} {
		if _, err := store.Open(t.Context(), u); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", u, err)
		}
	}
}
