package querier

import (
	"strconv"

	"github.com/firnlog/firn/layout/event"
)

// count counts values.
type count int64

func (c *count) add(*Value, event.Place) int { *c++; return 0 }

func (c *count) merge(s state) int { *c += *s.(*count); return 0 }

func (c *count) appendJSON(b []byte) []byte { return strconv.AppendInt(b, int64(*c), 10) }
