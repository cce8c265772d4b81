package contact_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"syncer/internal/contact"
)

func TestTwoTextsOfAFieldThatMeanTheSame(t *testing.T) {
	for _, tt := range []struct {
		kind contact.FieldType
		a, b string
		same bool
	}{
		{contact.TextField, "Natal", "Natal", true},
		{contact.TextField, " Natal\n", "Natal", true},
		{contact.TextField, "Natal", "natal", false},
		{contact.TextField, "", "  ", true},
		{contact.TextField, "1.0", "1", false},
		{"ward", " Brazil > Alagoas ", "Brazil > Alagoas", true},

		{contact.NumericField, "12.3000", "12.3", true},
		{contact.NumericField, "12", "12.", true},
		{contact.NumericField, "012", "12", true},
		{contact.NumericField, ".5", "0.5", true},
		{contact.NumericField, "-0", "0", true},
		{contact.NumericField, "-0.00", "0", true},
		{contact.NumericField, " 7 ", "7", true},
		{contact.NumericField, "12345678901234567890.1", "12345678901234567890.10", true},
		{contact.NumericField, "12345678901234567890", "12345678901234567891", false},
		{contact.NumericField, "-1", "1", false},
		{contact.NumericField, "100", "1", false},
		{contact.NumericField, "0.01", "0.1", false},
		{contact.NumericField, "1e3", "1000", false}, // not a form that is ever stored
		{contact.NumericField, "", "0", false},       // no value is not zero
		{contact.NumericField, ".", "0", false},
		{contact.NumericField, "-", "0", false},
		{contact.NumericField, "abc", "0", false},
		{contact.NumericField, "abc", "abc ", true},
		{contact.NumericField, "1.2.3", "1.2.30", false},

		{contact.DatetimeField, "2017-11-11T11:12:13Z", "2017-11-11T08:12:13.000000-03:00", true},
		{contact.DatetimeField, "2020-01-31T09:27:39.071299-03:00", "2020-01-31T12:27:39.071299Z", true},
		{contact.DatetimeField, "2017-11-11T11:12:13Z", "2017-11-11T11:12:13-03:00", false},
		{contact.DatetimeField, "2017-11-11T11:12:13Z", "2017-11-11T11:12:13.000001Z", false},
		{contact.DatetimeField, "ontem", "ontem ", true},
		{contact.DatetimeField, "ontem", "", false},
		{contact.DatetimeField, "", "2017-11-11T11:12:13Z", false},
	} {
		for _, pair := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			if got := contact.SameValue(tt.kind, pair[0], pair[1]); got != tt.same {
				t.Errorf("%s %q and %q: %v", tt.kind, pair[0], pair[1], got)
			}
		}
	}
}

func TestSamenessIsAnEquivalence(t *testing.T) {
	value := rapid.OneOf(rapid.StringMatching(` ?-?0?[0-9]?\.?[0-9]?0?`), rapid.SampledFrom([]string{"", "x", "2017-11-11T11:12:13Z", "2017-11-11T08:12:13-03:00"}))
	for _, kind := range []contact.FieldType{contact.TextField, contact.NumericField, contact.DatetimeField} {
		rapid.Check(t, func(t *rapid.T) {
			a, b, c := value.Draw(t, "a"), value.Draw(t, "b"), value.Draw(t, "c")
			if !contact.SameValue(kind, a, a) {
				t.Fatal("a value differs from itself")
			}
			if contact.SameValue(kind, a, b) && contact.SameValue(kind, b, c) && !contact.SameValue(kind, a, c) {
				t.Fatalf("%s: %q = %q = %q", kind, a, b, c)
			}
		})
	}
}

func TestIdentitiesOfAContactWithoutRepetition(t *testing.T) {
	o := contact.Observed{URNs: []contact.URN{"whatsapp:558490000101", "tel:+5584990000101", "telegram:1#ana", "mailto:ana@exemplo.com"}}
	if got, want := o.Identities(), []contact.Identity{"phone:5584990000101", "telegram:1", "mailto:ana@exemplo.com"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestLabelsAreFoundInAnyCase(t *testing.T) {
	c := contact.Catalog{Labels: []contact.Label{{ID: "1", Name: "Clientes  VIP"}}}
	if l, ok := c.Label(" clientes vip"); !ok || l.ID != "1" {
		t.Errorf("got %v, %v", l, ok)
	}
	if _, ok := c.Label("Clientes"); ok {
		t.Error("part of a name was enough")
	}
}
