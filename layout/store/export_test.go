package store

import "testing"

// SetMultipart lowers the bounds of multipart uploads for the time of t.
func SetMultipart(t *testing.T, above, part int64) {
	oldAbove, oldPart := multipartAbove, partSize
	multipartAbove, partSize = above, part
	t.Cleanup(func() { multipartAbove, partSize = oldAbove, oldPart })
}
