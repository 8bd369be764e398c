package front

import (
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

func TestEveryKindHasAStatus(t *testing.T) {
	for k := fault.Internal; k <= fault.Denied; k++ {
		if _, ok := statuses[k]; !ok {
			t.Errorf("%v has no status", k)
		}
	}
}
