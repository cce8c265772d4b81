package mapping

import (
	"strings"
	"time"
	"unicode/utf8"

	"syncer/internal/contact"
)

// Limits of what targets store. Beyond them they cut or forget in silence.
const (
	maxName  = 100
	maxField = 640
)

func checkName(_ *attr, v any, _ *time.Location) (string, message) {
	text, ok := written(v)
	text = strings.TrimSpace(text)
	switch {
	case !ok:
		return "", words("a name is text, and this is %s", "um nome é texto, e isto é %s", kind(v))
	case !utf8.ValidString(text) || !printable(text, false):
		return "", words("the name contains line breaks or control characters: write squeeze(…) around it", "o nome contém quebras de linha ou caracteres de controle: escreva squeeze(…) em volta")
	case utf8.RuneCountInString(text) > maxName:
		return "", words("the name has more than %d characters, and a cut one would be wrong", "o nome tem mais de %d caracteres, e um nome cortado estaria errado", maxName)
	}
	return text, message{}
}

func checkLanguage(_ *attr, v any, _ *time.Location) (string, message) {
	text, _ := written(v)
	code, near := languageCode(text)
	if code == "" {
		if near != "" {
			return "", words("the language is no ISO 639-3 code of three letters: %s is what was probably meant", "o idioma não é um código ISO 639-3 de três letras: provavelmente é %s", near)
		}
		return "", words("the language is no ISO 639-3 code of three letters, such as por", "o idioma não é um código ISO 639-3 de três letras, como por")
	}
	return code, message{}
}

// checkField writes a value in the one form that the target parses.
func checkField(a *attr, v any, zone *time.Location) (text string, m message) {
	if s, ok := v.(string); ok && blank(s) {
		return "", message{}
	}
	switch a.typ {
	case contact.NumericField:
		text, m = numericField(v)
	case contact.DatetimeField:
		text, m = datetimeField(v, zone)
	default:
		text, m = textField(v)
	}
	if m.isZero() && utf8.RuneCountInString(text) > maxField {
		return "", words("the value has more than %d characters, and the target would cut it", "o valor tem mais de %d caracteres, e o destino o cortaria", maxField)
	}
	return text, m
}

func textField(v any) (string, message) {
	text, ok := written(v)
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	switch {
	case !ok:
		if _, isList := v.([]any); isList {
			return "", words("this is a list: write join(…, \", \") to make one text of it", "isto é uma lista: escreva join(…, \", \") para fazer um texto dela")
		}
		return "", words("this is %s, not text", "isto é %s, não texto", kind(v))
	case !utf8.ValidString(text) || !printable(text, true):
		return "", words("the value contains control characters", "o valor contém caracteres de controle")
	}
	return text, message{}
}

func numericField(v any) (string, message) {
	switch x := v.(type) {
	case int, float64:
		text, _ := written(x)
		return text, message{}
	case string:
		if x = strings.TrimSpace(x); plainDigits(x) {
			return bareDecimal(x), message{}
		}
		return "", words("this text is no plain number: write number_br(…) if it is one as people write it", "este texto não é um número simples: escreva number_br(…) se for um número escrito por pessoas")
	}
	return "", words("this is %s, not a number", "isto é %s, não um número", kind(v))
}

// bareDecimal takes away the zeros that mean nothing, digit by digit, so that no precision is lost.
func bareDecimal(s string) string {
	minus := strings.HasPrefix(s, "-")
	whole, part, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	whole = or(strings.TrimLeft(whole, "0"), "0")
	if part = strings.TrimRight(part, "0"); part != "" {
		whole += "." + part
	}
	if minus && whole != "0" {
		whole = "-" + whole
	}
	return whole
}

func datetimeField(v any, zone *time.Location) (string, message) {
	switch x := v.(type) {
	case moment:
		return x.stamp(zone), message{}
	case string:
		x = strings.TrimSpace(x)
		if emptyDate(x) {
			return "", message{}
		}
		if m, ok := parseISO(x, zone); ok {
			return m.stamp(zone), message{}
		}
		return "", words("this text is no date such as 2026-11-20: write date_br(…) for 20/11/2026", "este texto não é uma data como 2026-11-20: escreva date_br(…) para 20/11/2026")
	}
	return "", words("this is %s, not a date", "isto é %s, não uma data", kind(v))
}
