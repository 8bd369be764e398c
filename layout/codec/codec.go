// Package codec compresses the pages of Firn's Parquet files.
//
// The Parquet library's own codec keeps its encoders in pools that every garbage
// collection empties, and each new encoder takes 8 MB for its history, of which
// pages need little. Encoders are kept here, as many as there are processors.
package codec

import (
	"runtime"

	kzstd "github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// window is how far back an encoder looks for what comes again, in bytes. Larger
// ones find no more in pages of events.
const window = 1 << 20

// Zstd compresses fast: higher levels gain little on events, which are mostly
// names that come again and digits that do not.
var Zstd compress.Codec = newCodec()

// codec is the library's, but for its encoders.
type codec struct {
	zstd.Codec
	encoder *kzstd.Encoder
}

func newCodec() *codec {
	e, err := kzstd.NewWriter(nil,
		kzstd.WithEncoderLevel(kzstd.SpeedFastest),
		kzstd.WithAllLitEntropyCompression(true), // names of random letters and digits come again nowhere, and take fewer bits
		kzstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		kzstd.WithWindowSize(window),
		kzstd.WithZeroFrames(true),
		kzstd.WithEncoderCRC(false)) // pages have their own
	if err != nil {
		panic(err) // the options are constants
	}
	// The encoder's channel is made with the first use: here, and not in a test's
	// bubble, whose channels nobody outside may touch.
	e.EncodeAll(nil, nil)
	return &codec{encoder: e}
}

// Encode implements [compress.Codec].
func (c *codec) Encode(dst, src []byte) ([]byte, error) {
	runtime.Gosched() // data files are made beside requests, which go first
	return c.encoder.EncodeAll(src, dst[:0]), nil
}
