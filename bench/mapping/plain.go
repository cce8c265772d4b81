package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"syncer/internal/contact"
)

// plain is the mapping of the shop as somebody writes it in Go for just these records: no expressions, no file, no
// words for what can go wrong. Of syncer it uses what any Go program would use a library for: numbers and addresses.
func plain(record map[string]any, zone *time.Location, policy contact.Policy) (contact.Contact, error) {
	c := contact.Contact{Mapping: "clientes", Targets: []string{"weni"}, Policy: policy}
	custom, ok := record["custom_fields"].(map[string]any)
	if !ok {
		return c, errors.New("no custom fields")
	}
	rows, _ := record["phones"].([]any)
	if len(rows) == 0 {
		return c, errors.New("no phones")
	}
	for _, text := range primaryFirst(rows) {
		phone, err := contact.ParsePhone(text, contact.PhoneRules{Country: "BR", Area: "84"})
		if err != nil {
			return c, err
		}
		c.Phones = append(c.Phones, phone)
	}
	rows, _ = record["emails"].([]any)
	for _, text := range primaryFirst(rows) {
		urn, err := contact.NewURN(contact.SchemeMailto, text)
		if err != nil {
			return c, err
		}
		c.Emails = append(c.Emails, urn.Path())
	}
	switch custom["Descadastrado"] {
	case "não":
		c.OptOut = contact.No
	case "sim":
		c.OptOut = contact.Yes
	}
	c.Name, c.Language = set(title(text(record["name"]))), set("por")
	c.Language.Write = contact.IfEmpty
	segment := text(custom["Segmento"])
	labels, _ := record["labels"].([]any)
	c.Labels = map[string]bool{"Clientes": true, "VIP": slices.Contains(labels, any("Cliente VIP")),
		"Varejo": segment == "Varejo", "Atacado": segment == "Atacado", "Clientes antigos": false}
	document := strings.Map(digit, text(custom["CPF"]))
	if !validCPF(document) {
		return c, errors.New("no CPF")
	}
	bought, err := time.ParseInLocation("02/01/2006", text(custom["Última compra"]), zone)
	if err != nil {
		return c, err
	}
	limit, err := strconv.ParseFloat(strings.NewReplacer(".", "", ",", ".").Replace(text(custom["Limite"])), 64)
	if err != nil {
		return c, err
	}
	c.Fields = map[string]contact.Field{
		"cidade":        {Attr: set(text(custom["Cidade"])), Type: contact.TextField},
		"documento":     {Attr: set(document), Type: contact.TextField},
		"ultima_compra": {Attr: set(bought.Add(12 * time.Hour).Format("2006-01-02T15:04:05-07:00")), Type: contact.DatetimeField},
		"limite":        {Attr: set(strconv.FormatFloat(limit, 'f', -1, 64)), Type: contact.NumericField},
		"loja_url":      {Attr: set("https://loja.invalid/person/" + text(record["id"])), Type: contact.TextField},
	}
	clearing := c.Fields["ultima_compra"]
	clearing.Blank = contact.BlankClear
	c.Fields["ultima_compra"] = clearing
	keeping := c.Fields["limite"]
	keeping.Write = contact.KeepEdits
	c.Fields["limite"] = keeping
	return c, nil
}

func set(value string) contact.Attr {
	return contact.Attr{State: contact.Set, Value: value, Write: contact.Overwrite, Blank: contact.BlankKeep}
}

func text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

func primaryFirst(rows []any) (values []string) {
	for _, row := range rows {
		if r, ok := row.(map[string]any); ok {
			if primary, _ := r["primary"].(bool); primary {
				values = slices.Insert(values, 0, text(r["value"]))
			} else {
				values = append(values, text(r["value"]))
			}
		}
	}
	return values
}

func digit(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

func validCPF(d string) bool {
	if len(d) != 11 {
		return false
	}
	for n := 9; n <= 10; n++ {
		sum := 0
		for i := range n {
			sum += int(d[i]-'0') * (n + 1 - i)
		}
		if sum*10%11%10 != int(d[n]-'0') {
			return false
		}
	}
	return true
}

// title writes ANA DE MEDEIROS as Ana de Medeiros.
func title(s string) string {
	words := strings.Fields(strings.ToLower(s))
	for i, word := range words {
		switch word {
		case "de", "da", "do", "das", "dos", "e":
			if i > 0 {
				continue
			}
		}
		runes := []rune(word)
		runes[0] = unicode.ToUpper(runes[0])
		words[i] = string(runes)
	}
	return strings.Join(words, " ")
}
