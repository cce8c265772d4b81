//go:build !linux

package trickle

import "os"

// begin leaves it to the system when a file is written.
func begin(*os.File) error { return nil }
