//go:build unix

package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Stream is like one of Kinesis with an event source mapping to a function that
// reports the first record that failed: each shard's records are delivered in
// order, and again from that record on. After MaxRetries the rest of the batch is
// given up, as without BisectBatchOnFunctionError.
type Stream struct {
	Function   *Function
	Batch      int           // records of one invocation at most
	Pause      time.Duration // before a batch that failed is delivered again
	MaxRetries int

	mu      sync.Mutex
	shards  [][]events.KinesisEventRecord // what each has still to deliver
	next    int                           // sequence number
	givenUp []events.KinesisEventRecord
	arrived []chan struct{}
}

func newStream(f *Function, shards int) *Stream {
	s := &Stream{Function: f, Batch: 100, Pause: 100 * time.Millisecond, MaxRetries: 20, shards: make([][]events.KinesisEventRecord, shards)}
	for range shards {
		s.arrived = append(s.arrived, make(chan struct{}, 1))
	}
	return s
}

// Put adds a record to the shard of its partition key.
func (s *Stream) Put(key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := fnv.New32a()
	hash.Write([]byte(key))
	shard := int(hash.Sum32() % uint32(len(s.shards)))
	s.next++
	r := events.KinesisEventRecord{EventSource: "aws:kinesis", EventName: "aws:kinesis:record", EventID: fmt.Sprintf("shardId-%012d:%d", shard, s.next)}
	r.Kinesis.PartitionKey, r.Kinesis.SequenceNumber, r.Kinesis.Data = key, fmt.Sprint(s.next), data
	r.Kinesis.ApproximateArrivalTimestamp = events.SecondsEpochTime{Time: time.Now()}
	s.shards[shard] = append(s.shards[shard], r)
	select {
	case s.arrived[shard] <- struct{}{}:
	default:
	}
}

// Idle reports whether everything was delivered or given up.
func (s *Stream) Idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.shards {
		if len(list) > 0 {
			return false
		}
	}
	return true
}

// GivenUp returns the records that were not stored: what a failure destination
// hears of.
func (s *Stream) GivenUp() []events.KinesisEventRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]events.KinesisEventRecord(nil), s.givenUp...)
}

// run delivers a shard's records until ctx ends.
func (s *Stream) run(ctx context.Context, shard int) {
	for retries := 0; ctx.Err() == nil; {
		s.mu.Lock()
		batch := s.shards[shard][:min(s.Batch, len(s.shards[shard]))]
		s.mu.Unlock()
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
			case <-s.arrived[shard]:
			}
			continue
		}
		done := s.deliver(ctx, batch)
		s.mu.Lock()
		if retries++; done > 0 {
			retries = 0 // the next batch begins elsewhere
		} else if retries > s.MaxRetries {
			s.givenUp = append(s.givenUp, batch...)
			done, retries = len(batch), 0
		}
		s.shards[shard] = s.shards[shard][done:]
		s.mu.Unlock()
		if done < len(batch) {
			select {
			case <-ctx.Done():
			case <-time.After(s.Pause):
			}
		}
	}
}

// deliver invokes the function with a batch, and returns how many of its records
// are done.
func (s *Stream) deliver(ctx context.Context, batch []events.KinesisEventRecord) int {
	payload, err := json.Marshal(events.KinesisEvent{Records: batch})
	if err != nil {
		return 0
	}
	a, err := s.Function.Invoke(ctx, payload)
	if err != nil {
		return 0
	}
	defer a.Body.Close()
	var out events.KinesisEventResponse
	if json.NewDecoder(a.Body).Decode(&out) != nil {
		return 0
	}
	done := len(batch)
	for _, f := range out.BatchItemFailures {
		for i, r := range batch[:done] {
			if r.Kinesis.SequenceNumber == f.ItemIdentifier {
				done = i
			}
		}
	}
	return done
}
