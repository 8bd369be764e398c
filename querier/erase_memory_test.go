package querier

import (
	"context"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/snapshot"
)

// Nothing is erased of what tests hold in memory; erasures are tested over a real
// log.

func (m *memory) FileMask(context.Context, snapshot.File) (*commitlog.Mask, error) { return nil, nil }

func (m *memory) TailMask(context.Context, *commitlog.Commit) (*commitlog.Mask, error) {
	return nil, nil
}
