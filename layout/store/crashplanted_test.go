//go:build unix

package store_test

import (
	"testing"

	"github.com/firnlog/firn/internal/bug"
)

// crashWithinSeeds is how many worlds a planted mistake may take to be found.
const crashWithinSeeds = 200

// Each mistake with syncs is found, built with: go test -tags planted
func TestPlantedMistakesOfTheFolder(t *testing.T) {
	if !bug.Planted {
		t.Skip("built without the tag planted")
	}
	defer bug.Plant(bug.None)
	for _, b := range bug.OfFolder() {
		bug.Plant(b)
		found := uint64(0)
		var what error
		for seed := uint64(1); seed <= crashWithinSeeds && found == 0; seed++ {
			if _, what = runCrashWorld(t, seed); what != nil {
				found = seed
			}
		}
		if found == 0 {
			t.Errorf("%s: not found within %d seeds", b, crashWithinSeeds)
			continue
		}
		t.Logf("%-28s seed %3d: %.90s", b, found, what.Error())
	}
}
