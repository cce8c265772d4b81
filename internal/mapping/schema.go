package mapping

import (
	_ "embed"
	"slices"
)

// schema is generated from the tables of keys (see the go:generate line of this package); the copy in the
// root of the repository, where editors find it, is the same file.
//
//go:embed mappings.schema.json
var schema []byte

// Schema returns the JSON Schema of mapping files (draft 2020-12), with descriptions that editors show.
func Schema() []byte { return slices.Clone(schema) }
