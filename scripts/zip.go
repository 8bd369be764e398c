//go:build ignore

// Command zip packs a program as Lambda wants it: alone, under the name bootstrap,
// executable, and with the same bytes for the same program.
//
//	go run scripts/zip.go PROGRAM FILE.zip
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"io"
	"log"
	"os"
)

func main() {
	program, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = w.Write(program)
	}
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = os.WriteFile(os.Args[2], out.Bytes(), 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
