package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"syncer/internal/console"
	"syncer/internal/contact"
)

// atLeastOne is a bound that was given. None given is no bound, so that one of 0 must not be taken for that.
func (c *cli) atLeastOne(n *int) pflag.Value { return &bound{c, n} }

type bound struct {
	c *cli
	n *int
}

func (b *bound) Type() string { return "int" }

func (b *bound) String() string {
	if b.n == nil {
		return "0"
	}
	return strconv.Itoa(*b.n)
}

func (b *bound) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New(b.c.Say("it must be a whole number of at least 1", "deve ser um número inteiro de ao menos 1"))
	}
	*b.n = n
	return nil
}

// records are keys of records, separated by commas. A list that names none must not be taken for all.
type records struct {
	c    *cli
	keys *[]string
}

func (r *records) Type() string { return "records" }

func (r *records) String() string {
	if r.keys == nil {
		return ""
	}
	return strings.Join(*r.keys, ",")
}

func (r *records) Set(text string) error {
	for key := range strings.SplitSeq(text, ",") {
		key = strings.TrimSpace(key)
		if _, err := contact.ParseKey(key); err != nil {
			return errors.New(r.c.Say("%q is not a record key; write it as source/id, for example crm/4821", "%q não é chave de registro; escreva fonte/id, por exemplo crm/4821", key))
		}
		*r.keys = append(*r.keys, key)
	}
	return nil
}

// chooseFlags are the flags that choose people of a plan.
func (c *cli) chooseFlags(cmd *cobra.Command, ask *console.ApplyAsk) {
	cmd.Flags().Var(&records{c, &ask.Only}, "only", c.Say("only the people of these records, such as crm/4821", "só as pessoas destes registros, como crm/4821"))
	cmd.Flags().Var(c.atLeastOne(&ask.Limit), "limit", c.Say("at most so many people, to begin with a few", "no máximo quantas pessoas, para começar com poucas"))
}

// misflagged says what is wrong with a flag in the reader's language.
func (c *cli) misflagged(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var wrong *pflag.InvalidValueError
	switch {
	case errors.As(err, &wrong):
		return errors.New(c.Say("--%s %q: %v", "--%s %q: %v", wrong.GetFlag().Name, wrong.GetValue(), errors.Unwrap(wrong)))
	case errors.As(err, &unknown) && c.Tag() != "en":
		return errors.New(c.Say("", "não há opção %q", unknown.GetSpecifiedName()))
	case errors.As(err, &bare) && c.Tag() != "en":
		return errors.New(c.Say("", "a opção %q precisa de um valor", bare.GetSpecifiedName()))
	}
	return err
}
