package pipedrive

import "bytes"

// members calls f with each member of a JSON object; anything else has none. The text must be valid JSON:
// it has passed json.Valid. A webhook and a row of a list are looked at for a few members only,
// and this costs a tenth of decoding them.
func members(object []byte, f func(key, value []byte)) {
	i := blank(object, 0)
	if i == len(object) || object[i] != '{' {
		return
	}
	for i = blank(object, i+1); object[i] != '}'; {
		end := quoted(object, i)
		key := object[i+1 : end-1]
		i = blank(object, blank(object, end)+1)
		end = value(object, i)
		f(key, object[i:end:end])
		if i = blank(object, end); object[i] == ',' {
			i = blank(object, i+1)
		}
	}
}

// elements are the values of a JSON array; anything else has none.
func elements(array []byte) [][]byte {
	i := blank(array, 0)
	if i == len(array) || array[i] != '[' {
		return nil
	}
	var all [][]byte
	for i = blank(array, i+1); array[i] != ']'; {
		end := value(array, i)
		all = append(all, array[i:end:end])
		if i = blank(array, end); array[i] == ',' {
			i = blank(array, i+1)
		}
	}
	return all
}

// blank skips white space from i on.
func blank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// quoted returns the end of the text that starts at i: behind the first quote that is not escaped.
func quoted(b []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(b[i:], '"')
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// value returns the end of the value that starts at i.
func value(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = quoted(b, i) - 1; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			switch depth--; depth {
			case -1: // the end of the object around a number
				return i
			case 0:
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}
