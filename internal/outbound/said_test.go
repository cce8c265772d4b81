package outbound

import "testing"

// TestSaid: what a system says of a failure is kept, and whom it names is not, however it writes them.
//
// At first each client hid what it had sent, and capitals: "customName zulmira quixadá inválido" named another contact,
// and reached logs, dead letters and the console.
func TestSaid(t *testing.T) {
	for text, want := range map[string]string{
		"phone +5584990008642 belongs to zulmira":                   "phone … belongs to …",
		"customName zulmira quixadá inválido":                       "customName … … inválido",
		"O contato Zulmira tem documento 529.982.247-25":            "O contato … tem documento …",
		"contact maria_souza exists, MariaSouza too, maria.souza":   "contact … exists, … too, ….…",
		"used by 84 9 9000 7731 and 5584990007731":                  "used by … and …",
		"token 7c41d9e05b3a4f62a8d1e9c07f25b6438d90ce1a is invalid": "token … is invalid",
		"key omf_live_sandbox_3f9c1d7e5b2a4860":                     "key …",
		"Contact name cannot exceed 100 characters.":                "Contact name cannot exceed 100 characters.",
		"Not a valid ISO639-3 language code.":                       "Not a valid ISO639-3 language code.",
		"pq: value too long for type character varying(255)":        "pq: value too long for type character varying(255)",
		"can't update: Non-active contacts":                         "can't update: Non-active contacts",
		"phoneNumber must be E.164":                                 "phoneNumber must be E.164",
		"Limite de contatos atingido":                               "Limite de contatos atingido",
		"ContactAlreadyExists quota_exceeded CONTACT_EXISTS":        "ContactAlreadyExists quota_exceeded CONTACT_EXISTS",
		"JSON parse error: line 1 column 2 (char 1)":                "JSON parse error: line 1 column 2 (char 1)",
		"": "",
	} {
		if got := Said(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
