package main

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"
)

// headings are the words that cobra puts between our own.
var headings = strings.NewReplacer("\nUsage:\n", "\nUso:\n", "\nExamples:\n", "\nExemplos:\n", "\nAvailable Commands:\n", "\nComandos:\n", "\nAdditional Commands:\n", "\nOutros comandos:\n",
	"\nFlags:\n", "\nOpções:\n", "\nGlobal Flags:\n", "\nOpções de todos os comandos:\n", " [command]", " [comando]", " [flags]", " [opções]",
	"\nUse \"", "\nEscreva \"", "--help\" for more information about a command.", "--help\" para saber mais de um comando.", "(default ", "(padrão ")

// helpful makes the tree of commands explain itself in the reader's language.
func (c *cli) helpful(root *cobra.Command) {
	root.SetFlagErrorFunc(c.misflagged)
	root.PersistentFlags().BoolP("help", "h", false, c.Say("help for a command", "ajuda de um comando"))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Short = c.Say("Help about any command", "Ajuda sobre qualquer comando")
		case "completion":
			cmd.Short = c.Say("Generate the autocompletion script for the specified shell", "Gera o script de autocompletar de um shell")
		}
	}
	if c.Tag() == "en" {
		return
	}
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		var text bytes.Buffer
		cmd.SetOut(&text)
		help(cmd, args)
		cmd.SetOut(c.stdout)
		c.printf("%s", headings.Replace(text.String()))
	})
}
