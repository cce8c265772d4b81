// Package config reads the settings of the process from the environment: where its files are, where it
// listens, how it speaks. What is synchronised with what is not here but in the mapping file.
package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config are the settings of one process. Every field is one variable; meanings has a line for each.
type Config struct {
	Mappings        string        `env:"SYNCER_MAPPINGS" envDefault:"mappings.yaml"`
	State           string        `env:"SYNCER_STATE" envDefault:"bolt:data/syncer.db"`
	Listen          string        `env:"SYNCER_LISTEN" envDefault:":8080"`
	AdminListen     string        `env:"SYNCER_ADMIN_LISTEN" envDefault:"127.0.0.1:8081"`
	AdminToken      string        `env:"SYNCER_ADMIN_TOKEN"`
	AdminTokenFile  string        `env:"SYNCER_ADMIN_TOKEN_FILE"`
	PublicURL       string        `env:"SYNCER_PUBLIC_URL"`
	LogLevel        string        `env:"SYNCER_LOG_LEVEL" envDefault:"info"`
	LogFormat       string        `env:"SYNCER_LOG_FORMAT" envDefault:"text"`
	ShutdownTimeout time.Duration `env:"SYNCER_SHUTDOWN_TIMEOUT" envDefault:"25s"`
	Language        string        `env:"LANG"`
}

// Environ turns the pairs of os.Environ into what Load reads.
func Environ(pairs []string) map[string]string { return env.ToMap(pairs) }

// Load reads the settings and checks them. All mistakes are reported at once, each under the name of its
// variable and never with the value of a secret. The Config is what could be read even when there is an
// error, so that `syncer env` can show it; nothing else may be done with it then.
func Load(environ map[string]string, readFile func(string) ([]byte, error)) (Config, error) {
	if environ == nil {
		environ = map[string]string{} // to the library, nil is the environment of the process
	}
	var c Config
	errs := parse(&c, environ)
	if err := c.readToken(readFile); err != nil {
		errs = append(errs, err)
	}
	c.LogLevel, c.LogFormat = strings.ToLower(c.LogLevel), strings.ToLower(c.LogFormat)
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	errs = append(errs, c.check()...)
	return c, errors.Join(append(errs, strays(environ)...)...)
}

// parse fills c. The library names the fields of the struct; people know the variables.
func parse(c *Config, environ map[string]string) (errs []error) {
	err := env.ParseWithOptions(c, env.Options{Environment: environ,
		FuncMap: map[reflect.Type]env.ParserFunc{reflect.TypeFor[time.Duration](): positive}})
	var all env.AggregateError
	if err != nil && !errors.As(err, &all) {
		return []error{err}
	}
	for _, err := range all.Errors {
		var bad env.ParseError
		if !errors.As(err, &bad) {
			errs = append(errs, err)
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(bad.Name)
		key := field.Tag.Get("env")
		errs = append(errs, fmt.Errorf("%s: %q is not a time to wait, such as 25s or 1m30s", key, environ[key]))
	}
	return errs
}

// positive reads a duration. Without time to wait nothing under way could ever end well.
func positive(text string) (any, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("it is not positive")
	}
	return d, err
}

// readToken takes the admin token from its file, where secrets of containers lie.
func (c *Config) readToken(readFile func(string) ([]byte, error)) error {
	if c.AdminTokenFile == "" {
		return nil
	}
	if c.AdminToken != "" {
		return errors.New("SYNCER_ADMIN_TOKEN_FILE: SYNCER_ADMIN_TOKEN is set too; keep one of them")
	}
	data, err := readFile(c.AdminTokenFile)
	if err != nil {
		return fmt.Errorf("SYNCER_ADMIN_TOKEN_FILE: %w", err)
	}
	if c.AdminToken = strings.TrimSpace(string(data)); c.AdminToken == "" {
		return fmt.Errorf("SYNCER_ADMIN_TOKEN_FILE: %s is empty", c.AdminTokenFile)
	}
	return nil
}
