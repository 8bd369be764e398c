package vamp

import (
	"bytes"
	"io"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"github.com/firnlog/firn/layout/event"
)

// maxYAML bounds a text in YAML, whose parser takes far more time and memory
// than that of JSON.
const maxYAML = 512 << 10

// yamlMemory is about what parsing a text takes: 400 bytes for each sign that
// can begin a node, and never more than 137 for each byte, as was measured.
func yamlMemory(text []byte) int64 {
	nodes := 1
	for _, c := range text {
		switch c {
		case ',', ':', '-', '?', '\n', '[', '{':
			nodes++
		}
	}
	return 400*int64(min(nodes, len(text)/3+1)) + 4*int64(len(text))
}

// fromYAML returns a YAML document as JSON. Aliases are refused, since a few
// lines of them can stand for more than fits into memory, and so are tags that
// JSON has nothing for.
func fromYAML(text []byte) (jsontext.Value, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, invalid("Error: %w", err)
	}
	if err := dec.Decode(&more); err != io.EOF {
		return nil, invalid("Error: the body holds more than one YAML document")
	}
	return appendNode(nil, &doc, 0)
}

// appendNode appends a node as JSON.
func appendNode(b []byte, n *yaml.Node, depth int) ([]byte, error) {
	if depth > event.MaxDepth+1 { // a document counts, and payloads are checked later
		return nil, invalid("Error: line %d: nested deeper than %d levels", n.Line, event.MaxDepth)
	}
	var err error
	switch n.Kind {
	case yaml.DocumentNode:
		return appendNode(b, n.Content[0], depth)
	case yaml.AliasNode:
		return nil, invalid("Error: line %d: aliases such as *%s are not taken", n.Line, shorten(n.Value))
	case yaml.ScalarNode:
		return appendScalar(b, n)
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, item := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendNode(b, item, depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	b = append(b, '{')
	for i := 0; i < len(n.Content); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		if n.Content[i].Kind != yaml.ScalarNode {
			return nil, invalid("Error: line %d: the name of a member must be a text", n.Content[i].Line)
		}
		b = append(appendText(b, n.Content[i].Value), ':')
		if b, err = appendNode(b, n.Content[i+1], depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendScalar(b []byte, n *yaml.Node) ([]byte, error) {
	switch n.ShortTag() {
	case "!!str", "!!timestamp", "!!binary", "!!merge":
		return appendText(b, n.Value), nil
	case "!!null":
		return append(b, "null"...), nil
	case "!!bool", "!!int", "!!float":
	default:
		return nil, invalid("Error: line %d: the YAML tag %s is not taken", n.Line, shorten(n.Tag))
	}
	if raw := jsontext.Value(n.Value); raw.Kind() == '0' && raw.IsValid() {
		return append(b, n.Value...), nil // as it is written
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, invalid("Error: %w", err)
	}
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case float64:
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			return append(b, jsontext.Float(v).String()...), nil
		}
	}
	return nil, invalid("Error: line %d: JSON has no value for %s", n.Line, shorten(n.Value))
}

// maxBlock is up to where an answer is written in YAML's block style. What is
// larger is written as the JSON that it is, which is YAML in its flow style.
const maxBlock = 256 << 10

// toYAML returns JSON text as a YAML document.
func toYAML(raw jsontext.Value) []byte {
	if len(raw) > maxBlock {
		return append(bytes.Clone(raw), '\n')
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	n, err := node(dec)
	if err != nil {
		return append(bytes.Clone(raw), '\n') // raw is valid JSON: this cannot be
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if enc.Encode(n) != nil || enc.Close() != nil {
		return append(bytes.Clone(raw), '\n')
	}
	return out.Bytes()
}

// node reads the next value.
func node(dec *jsontext.Decoder) (*yaml.Node, error) {
	token, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: token.String()}
	switch kind := token.Kind(); kind {
	case '"':
		n.Tag = "!!str"
		return n, nil
	case '{':
		n = &yaml.Node{Kind: yaml.MappingNode}
	case '[':
		n = &yaml.Node{Kind: yaml.SequenceNode}
	default:
		return n, nil
	}
	for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
		item, err := node(dec)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, item)
	}
	_, err = dec.ReadToken()
	return n, err
}
