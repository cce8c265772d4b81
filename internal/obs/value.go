package obs

import (
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"syncer/internal/contact"
)

// attr masks one attribute of a log line. Groups arrive here member by member.
func (s *Secrets) attr(a slog.Attr) slog.Attr {
	a.Key = s.Mask(a.Key)
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.AnyValue(s.named(a.Key, a.Value.String()))
	case slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindAny:
		if _, ok := a.Value.Any().(slog.Level); !ok {
			a.Value = slog.AnyValue(s.walk(a.Key, reflect.ValueOf(a.Value.Any()), 0))
		}
	}
	return a
}

// MaskValue returns v as plain data (maps, lists, texts, numbers) without secrets and without what
// identifies a person. The names of fields help: what is called phone is one.
func (s *Secrets) MaskValue(v any) any { return s.walk("", reflect.ValueOf(v), 0) }

// deepest is how far values are followed into each other; beyond, only their type is told.
const deepest = 8

func (s *Secrets) walk(key string, v reflect.Value, depth int) (out any) {
	if !v.IsValid() {
		return nil
	}
	if depth > deepest {
		return v.Type().String()
	}
	defer func() {
		if r := recover(); r != nil { // a nil pointer whose method does not expect it
			out = "!" + v.Type().String()
		}
	}()
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case time.Time, time.Duration:
			return x
		case slog.LogValuer:
			return s.walk(key, reflect.ValueOf(x.LogValue().Resolve().Any()), depth+1)
		case []slog.Attr:
			return s.group(x, depth)
		case error:
			return s.named(key, x.Error())
		case fmt.Stringer:
			return s.named(key, x.String())
		case encoding.TextMarshaler:
			text, err := x.MarshalText()
			if err != nil {
				return s.Mask(err.Error())
			}
			return s.named(key, string(text))
		case []byte:
			return s.named(key, string(x))
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return s.walk(key, v.Elem(), depth+1)
	case reflect.Interface:
		return s.walk(key, v.Elem(), depth)
	case reflect.String:
		return s.named(key, v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return s.number(key, v.Interface(), float64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return s.number(key, v.Interface(), float64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		return s.number(key, v.Interface(), v.Float())
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = s.walk(key, v.Index(i), depth+1)
		}
		return list
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			name := s.Mask(fmt.Sprint(k.Interface()))
			m[name] = s.walk(inner(name), v.MapIndex(k), depth+1)
		}
		return m
	case reflect.Struct:
		m := map[string]any{}
		for field, value := range v.Fields() {
			if field.IsExported() {
				m[field.Name] = s.walk(inner(field.Name), value, depth+1)
			}
		}
		return m
	case reflect.Bool:
		return v.Bool()
	}
	return v.Type().String()
}

func (s *Secrets) group(attrs []slog.Attr, depth int) map[string]any {
	m := map[string]any{}
	for _, a := range attrs {
		m[a.Key] = s.walk(a.Key, reflect.ValueOf(a.Value.Resolve().Any()), depth+1)
	}
	return m
}

// Keys whose values are masked whatever they look like.
var (
	credentials = []string{"password", "passwd", "pwd", "senha", "token", "accesstoken", "refreshtoken", "apitoken", "admintoken", "apikey",
		"secret", "clientsecret", "authorization", "proxyauthorization", "xapikey", "xauthkey", "cookie", "setcookie"}
	personal = []string{"phone", "phones", "phonenumber", "telefone", "telefones", "fone", "celular", "mobile", "msisdn", "waid", "tel", "whatsapp",
		"email", "emails", "mail", "cpf", "cnpj", "cpfcnpj", "urn", "urns", "firstname", "lastname", "fullname", "contactname", "displayname", "nome", "sobrenome", nameOf}
)

// nameOf is a name inside of what is logged, so that "name" as an attribute of a log line can go on to be the
// name of a source.
const nameOf = "name of a person"

func inner(key string) string {
	if strings.EqualFold(key, "name") {
		return nameOf
	}
	return key
}

func squeezed(key string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return r
	}, strings.ToLower(key))
}

// named masks a text by what it is called and by what it looks like.
func (s *Secrets) named(key, text string) string {
	masked := s.Mask(text)
	switch k := squeezed(key); {
	case text == "":
	case slices.Contains(credentials, k):
		return hidden
	case slices.Contains(personal, k) && masked == text && !strings.Contains(text, "**"):
		return contact.MaskText(text)
	}
	return masked
}

// number masks a number that is somebody's.
func (s *Secrets) number(key string, v any, f float64) any {
	k := squeezed(key)
	if isPersonal(f) && !strings.HasSuffix(k, "bytes") || f >= 1e7 && slices.Contains(personal, k) {
		return contact.MaskDigits(formatInt(f))
	}
	return v
}
