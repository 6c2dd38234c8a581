import type { JobRowFragment } from '@/api/generated'
import { isClosedNow } from '@/format/job'
import { useNow } from '@/lib/clock'
import { Time } from './time'

/** "closed until 22:41", in place of a next fire time. Empty while the blackout is in the future. */
export function ClosedUntil({ closure }: { closure: NonNullable<JobRowFragment['closedBy']> }) {
  const now = useNow()
  if (!isClosedNow(closure, now)) return null
  return (
    <span className="text-warn" title={closure.name}>
      {closure.until ? (
        <>
          closed until <Time at={closure.until} as="short" />
        </>
      ) : (
        'closed'
      )}
    </span>
  )
}
