// Package querier answers questions about the events of an instance: it holds
// Firn's query language and the engine that runs it over compacted data files
// and the unfolded tail of the log at once.
//
// A [Query] is written in JSON ([Parse]), as text for people ([ParseText]), or put
// together in Go ([New]); docs/query.md describes the language. An
// [Engine] runs it in five steps:
//
//  1. pin the instance at one point, or go back to the point of a cursor;
//  2. prune days, files and row groups whose statistics rule out a match;
//  3. answer counts from the statistics of whole files where they suffice;
//  4. scan what is left, a row group at a time and several at once: the columns
//     that cheap conditions need, then those of dear ones for the rows that are
//     left, then those of the answer for the rows that match;
//  5. put together the partial answers of row groups in a fixed order, so that
//     scheduling never shows in the result; read whole events only for the rows
//     of the page.
//
// # Values
//
// Values have JSON's types and are never converted: 40 is not "40", true is not
// 1. Numbers compare by value, so that 1, 1.0 and 1e0 are equal: whole numbers
// within int64 exactly, also against fractions; all others as float64, which
// tells numbers beyond int64 apart only by their leading 15 to 17 digits.
// Numbers beyond float64 count as its largest. Strings compare by their UTF-8
// bytes. Where values of several types are put in one order (orderBy, groups),
// it is null, booleans, numbers, strings, arrays, objects; arrays and objects
// compare by their compacted text.
//
// timestamp and ingested_at are times: conditions on them take RFC 3339 text or
// seconds, milliseconds, microseconds or nanoseconds since 1970, cut to
// microseconds, and results show RFC 3339.
//
// # Fields
//
// stream_id, event_type, timestamp, sequence_number, id, instanceId, tags,
// ingested_at, payload, payload.<path>, metadata and metadata.<path>. Their
// names may be given in camelCase or snake_case. Any other name <path> means
// payload.<path>. A path goes through objects by member name and through arrays
// by index; of members that occur twice in an object the last one counts;
// member names that contain dots cannot be reached. An event without tags has
// no field tags.
//
// # Answers to what the language leaves open
//
//   - A missing field matches neq and no other operator. null equals null only.
//   - gt, gte, lt, lte and between match only values of the type that is asked
//     for, which is a number or a string; between includes both ends.
//   - A condition holds or does not; not is exactly the other events. exists holds
//     for null, too.
//   - contains finds a literal, case-sensitive part of a string, or a member of
//     an array. in with an empty list matches nothing.
//   - Without orderBy events come in append order, which within a stream is the
//     order of sequence_number. Ties of orderBy are in append order; events
//     without the field come last, in both directions.
//   - A reduction is over all matches, whatever limit, offset, orderBy and
//     select say. count with a field counts the events that have it. sum and avg
//     skip what is no number, timestamps too; collect skips null. min and max
//     are over the numbers if there are any, else over the strings, else over
//     the booleans. Of nothing, sum is 0, collect [] and avg, min and max null.
//   - The sum of whole numbers is exact if it fits int64, else it is a float64.
//   - Groups come in the order of their keys, or in that which is asked for. A group of events without a field
//     has no member for it.
//   - select keeps the shape of events, so that payload.amount becomes
//     {"payload":{"amount":…}}; what an event lacks is absent, parts of arrays
//     appear as members named by their index.
//   - payload and metadata appear byte for byte as they were sent.
package querier
