// Package deploy holds what is needed to run syncer in a container; its test runs the image's file system.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// rootfs makes the file system of the image.
func rootfs(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may change the root folder")
	}
	root := filepath.Join(t.TempDir(), "rootfs")
	build := exec.Command("./scripts/rootfs.sh", root)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for dir := root; dir != "/" && strings.HasPrefix(dir, os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the test's folder is for its owner only
			t.Fatal(err)
		}
		if dir == os.TempDir() {
			break
		}
	}
	return root
}

// inside is a command as the container runs it: in its file system, as its user.
func inside(root string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("/syncer", args...)
	cmd.Dir, cmd.Env = "/data", env
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	return cmd
}

// TestRootfs runs the file system of the image as its user, with nothing else around it: the binary needs no
// shared library, no time zone files and no other folder to write to than /data.
func TestRootfs(t *testing.T) {
	root := rootfs(t)
	example, err := os.ReadFile("../mappings.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "mappings.yaml"), example, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := inside(root, []string{"SYNCER_MAPPINGS=/mappings.yaml", "SYNCER_STATE=bolt:/data/syncer.db"}, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("syncer %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if out := run("version"); out == "" {
		t.Error("version says nothing")
	}
	if out := run("check", "--offline"); !strings.Contains(out, "America/Sao_Paulo") {
		t.Errorf("the time zone is not there:\n%s", out)
	}
	if !testing.Short() {
		run("demo", "--once")
	}
	if _, err := os.Stat(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")); err != nil {
		t.Error(err)
	}
}
