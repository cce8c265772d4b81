package bolt

// Waiting is how many changes wait for a commit.
func (s *Store) Waiting() int { return len(s.queue) }

// MaxQueue and MaxGroup are the bounds of the queue and of a group.
const (
	MaxQueue = maxQueue
	MaxGroup = maxGroup
)

// PagesWritten is how many pages were written so far.
func (s *Store) PagesWritten() int64 {
	stats := s.file.db.Stats()
	return stats.TxStats.GetWrite()
}
