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

var fast, thorough = newCodec(kzstd.SpeedFastest), newCodec(kzstd.SpeedBetterCompression)

// Zstd compresses fast: higher levels gain little on most columns, which are
// names that come again and digits that do not.
var Zstd compress.Codec = fast

// A column is worth the time of the thorough level if that makes the end of its
// first large page, behind what some encodings put first, smaller by one in
// trialGain bytes. Small files are not worth the trial.
const (
	trialBytes = 64 << 10
	trialGain  = 32
)

// Fitting returns a codec for a column of one file that may be text: written by
// people it takes a tenth less at a level that is several times slower, and made of
// random letters it takes no less. It tries that once and then keeps to one level.
// It is not safe for concurrent use.
func Fitting() compress.Codec { return &fitting{} }

// fitting is one of two codecs as soon as it is known which.
type fitting struct {
	zstd.Codec
	chosen *codec // nil as long as it is not
}

// yieldBytes is the least page that is worth a turn of others before it.
const yieldBytes = 64 << 10

// Encode implements [compress.Codec].
func (f *fitting) Encode(dst, src []byte) ([]byte, error) {
	if f.chosen == nil && len(src) >= trialBytes {
		f.chosen = choose(src[len(src)-trialBytes:])
	}
	if f.chosen == nil {
		return fast.Encode(dst, src)
	}
	return f.chosen.Encode(dst, src)
}

func choose(sample []byte) *codec {
	quick := len(fast.encoder.EncodeAll(sample, nil))
	if best := len(thorough.encoder.EncodeAll(sample, nil)); best <= quick-quick/trialGain {
		return thorough
	}
	return fast
}

// codec is the library's, but for its encoders.
type codec struct {
	zstd.Codec
	encoder *kzstd.Encoder
}

func newCodec(level kzstd.EncoderLevel) *codec {
	e, err := kzstd.NewWriter(nil,
		kzstd.WithEncoderLevel(level),
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
	if len(src) >= yieldBytes { // data files are made beside requests, which go first
		runtime.Gosched()
	}
	return c.encoder.EncodeAll(src, dst[:0]), nil
}
