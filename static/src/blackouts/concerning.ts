// Which blackouts are for which jobs. Pure.

import type { BlackoutRowFragment } from '@/api/generated'

/** The blackouts of a job that have lasted for some time: one that was cancelled before its start is left out. */
export function blackoutsOf<Blackout extends Pick<BlackoutRowFragment, 'jobId' | 'tag' | 'startsAt' | 'endsAt'>>(
  job: { id: string; tags: string[] },
  blackouts: Blackout[],
): Blackout[] {
  return blackouts.filter(({ jobId, tag, startsAt, endsAt }) => {
    const concerns = jobId === job.id || (jobId === null && (tag === null || job.tags.includes(tag)))
    return concerns && Date.parse(endsAt) > Date.parse(startsAt)
  })
}
