// Which blackouts are for which jobs. Pure.

import type { BlackoutRowFragment } from '@/api/generated'

/** The blackouts of a job that last or lasted for some time: one that was cancelled before it began never was. */
export function blackoutsOf<Blackout extends Pick<BlackoutRowFragment, 'jobId' | 'tag' | 'startsAt' | 'endsAt'>>(
  job: { id: string; tags: string[] },
  blackouts: Blackout[],
): Blackout[] {
  return blackouts.filter(({ jobId, tag, startsAt, endsAt }) => {
    const concerns = jobId === job.id || (jobId === null && (tag === null || job.tags.includes(tag)))
    return concerns && Date.parse(endsAt) > Date.parse(startsAt)
  })
}
