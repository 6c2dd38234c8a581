import type { JobRowFragment } from '@/api/generated'
import { isExcludedNow } from '@/format/job'
import { useNow } from '@/lib/clock'
import { Time } from './time'

/** "closed until 22:41", in place of a next fire time. Empty while the blackout is in the future. */
export function ExcludedUntil({ exclusion }: { exclusion: NonNullable<JobRowFragment['excludedBy']> }) {
  const now = useNow()
  if (!isExcludedNow(exclusion, now)) return null
  return (
    <span className="text-warn" title={exclusion.name}>
      {exclusion.until ? (
        <>
          closed until <Time at={exclusion.until} as="short" />
        </>
      ) : (
        'closed'
      )}
    </span>
  )
}
