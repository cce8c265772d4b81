package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"
)

// TestSchema generates the schema from the tables of keys and compares it with the committed one, in both of
// its places.
func TestSchema(t *testing.T) {
	l := &loader{file: &file{}, plan: &Plan{}}
	root := objectOf(l.table())
	root.Version = jsonschema.Version
	root.Title = "syncer mappings"
	root.Description = "How records of CRMs become contacts: sources, targets and mappings."
	root.Definitions = definitions()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(`\u003e`, ">", `\u003c`, "<", `\u0026`, "&").Replace(b.String())
	golden(t, "mappings.schema.json", text)
	golden(t, "../../mappings.schema.json", text)
	if !*update && string(Schema()) != text {
		t.Error("the embedded schema is another one")
	}
}

// definitions are the forms that several keys share.
func definitions() jsonschema.Definitions {
	var node *yaml.Node
	var a attr
	expression := &jsonschema.Schema{Type: "string", Pattern: "^=", Description: "An expression over the record; it begins with =.", Examples: []any{"=record.name"}}
	value := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Ref: "#/$defs/literal"}, objectOf(attributeTable(&a, &node))}, Description: "A literal, or an expression that begins with =."}
	return jsonschema.Definitions{
		"condition":  {AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "boolean"}}, Description: "An expression that is true or false, without = at the beginning.", Examples: []any{"len(record.phones) > 0"}},
		"expression": expression,
		"literal":    {AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}},
		"value":      value,
		"values":     {AnyOf: []*jsonschema.Schema{{Ref: "#/$defs/expression"}, {Type: "array", Items: &jsonschema.Schema{Ref: "#/$defs/expression"}}}},
		"texts":      {AnyOf: []*jsonschema.Schema{{Ref: "#/$defs/literal"}, {Type: "array", Items: &jsonschema.Schema{Ref: "#/$defs/literal"}}}},
		"labels": {AnyOf: []*jsonschema.Schema{{Ref: "#/$defs/literal"}, {Type: "array", Items: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Ref: "#/$defs/literal"}, objectOf(labelTable(&node, &node, &node, &node))}}}}},
		"fields": {Type: "object", AdditionalProperties: &jsonschema.Schema{Ref: "#/$defs/value"}, Description: "Custom fields by their keys.",
			PropertyNames: &jsonschema.Schema{Pattern: fieldKey.String()}},
		"from": {Type: "object", AdditionalProperties: &jsonschema.Schema{Ref: "#/$defs/literal"}},
		"only": {Type: "object", AdditionalProperties: objectOf(onlyTable(&node, &node, &node, &node))},
	}
}

// objectOf is the schema of a group of keys.
func objectOf(keys []key) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
	for _, k := range keys {
		p := schemaOf(k.value)
		doc := k.doc
		if len(k.only) > 0 {
			doc += " (Only for kind " + listed(k.only).in("en") + ".)"
		}
		if p.Ref != "" { // what stands beside a reference is ignored by some editors
			p = &jsonschema.Schema{AllOf: []*jsonschema.Schema{p}}
		}
		p.Description = strings.NewReplacer("`", "").Replace(doc)
		p.Extras = map[string]any{"markdownDescription": doc}
		s.Properties.Set(k.name, p)
		if k.must && len(k.only) == 0 {
			s.Required = append(s.Required, k.name)
		}
	}
	return s
}

func schemaOf(v value) *jsonschema.Schema {
	switch v := v.(type) {
	case textValue:
		return textSchema(v.options, v.example)
	case textsValue:
		one := textSchema(v.options, "")
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{one, {Type: "array", Items: one}}}
	case versionValue:
		return &jsonschema.Schema{Const: 1}
	case numberValue[int]:
		return numberSchema(v.least, v.most)
	case numberValue[int64]:
		return numberSchema(v.least, v.most)
	case flagValue:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "boolean"}, unresolved()}}
	case codesValue:
		one := numberSchema(100, 599)
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{one, {Type: "array", Items: one}}}
	case groupValue:
		return objectOf(v.keys())
	case dictValue:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: textSchema(v.options, "")}
	case listsValue:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Ref: "#/$defs/texts"}}
	case namedValue:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: objectOf(v.keys())}
	case listValue:
		return &jsonschema.Schema{Type: "array", Items: objectOf(v.keys())}
	case nodeValue:
		name := map[form]string{formExpression: "condition", formValue: "value", formValues: "values", formLabels: "labels", formFields: "fields",
			formOnly: "only", formEach: "expression", formTexts: "texts", formFrom: "from"}[v.form]
		return &jsonschema.Schema{Ref: "#/$defs/" + name}
	}
	panic(fmt.Sprintf("no schema for %T", v))
}

func textSchema(options []string, example string) *jsonschema.Schema {
	if len(options) > 0 {
		s := &jsonschema.Schema{}
		for _, o := range options {
			s.Enum = append(s.Enum, o)
		}
		return s
	}
	s := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}}}
	if example != "" {
		s.Examples = []any{example}
	}
	return s
}

func numberSchema(least, most int64) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "integer", Minimum: json.Number(fmt.Sprint(least)), Maximum: json.Number(fmt.Sprint(most))}, unresolved()}}
}

func unresolved() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: `^\$\{.*\}$`}
}

// TestSchemaAgrees checks files that the reader takes, and files that it does not, against the schema.
func TestSchemaAgrees(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	good, _ := filepath.Glob("testdata/mappings/*[a-z].yaml")
	good = slices.DeleteFunc(good, func(p string) bool { return strings.HasSuffix(p, ".cases.yaml") })
	for _, path := range append(good, "../../mappings.example.yaml") {
		if wrong := against(root, root, yamlFile(t, path), ""); wrong != "" {
			t.Errorf("%s: %s", path, wrong)
		}
	}
	for _, name := range []string{"unknown-key", "unknown-option", "key-in-wrong-place", "only-labels-and-fields", "bad-defaults", "reserved-field", "list-per-line-wrong", "no-contact-value"} {
		text, err := os.ReadFile("testdata/traps/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if against(root, root, yamlText(t, []byte(completed(string(text)))), "") == "" {
			t.Errorf("%s: an editor shows nothing", name)
		}
	}
}

func yamlFile(t *testing.T, path string) any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return yamlText(t, text)
}

func yamlText(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Load(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// against is as much of a JSON Schema validator as this schema needs; it returns the first thing wrong.
func against(root, schema map[string]any, v any, path string) string {
	if ref, ok := schema["$ref"].(string); ok {
		return against(root, root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), v, path)
	}
	for _, s := range schemas(schema["allOf"]) {
		if wrong := against(root, s, v, path); wrong != "" {
			return wrong
		}
	}
	if any := schemas(schema["anyOf"]); len(any) > 0 {
		wrong := ""
		for _, s := range any {
			if wrong = against(root, s, v, path); wrong == "" {
				break
			}
		}
		if wrong != "" {
			return wrong
		}
	}
	if c, ok := schema["const"]; ok && fmt.Sprint(c) != fmt.Sprint(v) {
		return path + " is another constant"
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Sprintf("%s is none of %v", path, enum)
	}
	switch schema["type"] {
	case "string":
		s, ok := v.(string)
		if p, has := schema["pattern"].(string); !ok || has && !regexp.MustCompile(p).MatchString(s) {
			return path + " is no such text"
		}
	case "number", "integer":
		if _, ok := v.(int); !ok {
			return path + " is no number"
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return path + " is not true or false"
		}
	case "array":
		items, ok := v.([]any)
		if !ok {
			return path + " is no list"
		}
		for i, item := range items {
			if wrong := against(root, schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", path, i)); wrong != "" {
				return wrong
			}
		}
	case "object":
		object, ok := v.(map[string]any)
		if !ok {
			return path + " is no object"
		}
		properties, _ := schema["properties"].(map[string]any)
		for k, one := range object {
			s, known := properties[k].(map[string]any)
			if !known {
				if s, known = schema["additionalProperties"].(map[string]any); !known {
					return path + "." + k + " is unknown"
				}
			}
			if rule, ok := schema["propertyNames"].(map[string]any); ok && !regexp.MustCompile(rule["pattern"].(string)).MatchString(k) {
				return path + "." + k + " is no such name"
			}
			if wrong := against(root, s, one, path+"."+k); wrong != "" {
				return wrong
			}
		}
		for _, must := range names(schema["required"]) {
			if _, ok := object[must]; !ok {
				return path + " lacks " + must
			}
		}
	}
	return ""
}

func schemas(v any) (all []map[string]any) {
	items, _ := v.([]any)
	for _, item := range items {
		all = append(all, item.(map[string]any))
	}
	return all
}

func names(v any) (all []string) {
	items, _ := v.([]any)
	for _, item := range items {
		all = append(all, item.(string))
	}
	return all
}
