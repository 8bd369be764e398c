package segment

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// fieldsKey holds the infos of a data file's fields in its footer, as JSON.
const fieldsKey = "firn.fields"

// fieldJSON is a [FieldInfo] in the footer.
type fieldJSON struct {
	Path      string         `json:"path"`
	Type      string         `json:"type"`
	Filter    int            `json:"filter,omitzero"`
	Values    int64          `json:"values"`
	Nulls     int64          `json:"nulls,omitzero"`
	Residual  int64          `json:"residual,omitzero"`
	Respelled int64          `json:"respelled,omitzero"`
	Length    int64          `json:"length,omitzero"`
	Min       jsontext.Value `json:"min,omitzero"`
	Max       jsontext.Value `json:"max,omitzero"`
	Sum       jsontext.Value `json:"sum,omitzero"`
	Distinct  []byte         `json:"distinct,omitzero"`
}

// encodeFields writes infos as the footer has them.
func encodeFields(infos []FieldInfo) (string, error) {
	out := make([]fieldJSON, len(infos))
	for i := range infos {
		f := &infos[i]
		out[i] = fieldJSON{Path: f.Path, Type: f.Type.String(), Filter: f.FilterBits,
			Values: f.Values, Nulls: f.Nulls, Residual: f.Residual, Respelled: f.Respelled, Length: f.Length}
		if f.Ints != nil {
			out[i].totals(encodeTotals(f.Ints, jsontext.Int))
		}
		if f.Floats != nil {
			out[i].totals(encodeTotals(f.Floats, jsontext.Float))
		}
		if f.Type == String {
			out[i].Distinct = f.texts[:]
		}
	}
	text, err := json.Marshal(out)
	return string(text), err
}

func (f *fieldJSON) totals(lo, hi, sum jsontext.Value) { f.Min, f.Max, f.Sum = lo, hi, sum }

func encodeTotals[T int64 | float64](t *Totals[T], token func(T) jsontext.Token) (lo, hi, sum jsontext.Value) {
	text := func(v T) jsontext.Value { return jsontext.Value(token(v).String()) }
	if !t.NoSum {
		sum = text(t.Sum)
	}
	return text(t.Min), text(t.Max), sum
}

// decodeFields reads what encodeFields wrote. Errors are Corrupt.
func decodeFields(text string) ([]FieldInfo, error) {
	var in []fieldJSON
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, fault.New(fault.Corrupt, "%s in the footer: %w", fieldsKey, err)
	}
	infos := make([]FieldInfo, len(in))
	for i, f := range in {
		info := FieldInfo{Field: Field{f.Path, FieldType(max(0, slices.Index(fieldTypes[:], f.Type))), f.Filter},
			Values: f.Values, Nulls: f.Nulls, Residual: f.Residual, Respelled: f.Respelled, Length: f.Length}
		var err error
		switch {
		case info.Type == 0:
			err = fault.New(fault.Corrupt, "no type %q is known", f.Type)
		case f.Min == nil:
		case info.Type == Int64:
			info.Ints, err = decodeTotals(&f, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
		case info.Type == Double:
			info.Floats, err = decodeTotals(&f, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
		}
		if err != nil {
			return nil, fault.New(fault.Corrupt, "%s in the footer, at %s: %w", fieldsKey, f.Path, err)
		}
		copy(info.texts[:], f.Distinct)
		infos[i] = info
	}
	return infos, nil
}

func decodeTotals[T int64 | float64](f *fieldJSON, parse func(string) (T, error)) (*Totals[T], error) {
	lo, err1 := parse(string(f.Min))
	hi, err2 := parse(string(f.Max))
	t := &Totals[T]{Min: lo, Max: hi, NoSum: f.Sum == nil}
	var err3 error
	if !t.NoSum {
		t.Sum, err3 = parse(string(f.Sum))
	}
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}
