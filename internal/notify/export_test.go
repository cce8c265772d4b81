package notify

// Topics is how many topics a notifier remembers.
func Topics(n *Notifier) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.told)
}
