import { CalendarOff } from 'lucide-react'
import type { JobQuery } from '@/api/generated'
import { Panel } from '@/components/panel'
import { Empty } from '@/components/states'
import { Time } from '@/components/time'
import { zoneOf } from '@/format/schedule'
import { exactTime, sameClock, viewerZone } from '@/format/time'
import { JobCalendarFile } from './calendar-file'

/** The next fire times, in the job's zone, if it has one, and in the viewer's. */
export function NextFires({ job }: { job: NonNullable<JobQuery['job']> }) {
  const { nextFireTimes } = job
  const zone = zoneOf(job)
  return (
    <Panel
      title="Next fires"
      aside={
        <span className="flex items-center gap-2">
          {zone}
          {nextFireTimes.length > 0 && <JobCalendarFile job={job} />}
        </span>
      }
      flush
    >
      {nextFireTimes.length === 0 ? (
        <Empty icon={CalendarOff} title="No fire time">
          {whyNone(job)}
        </Empty>
      ) : (
        <ol className="divide-y">
          {nextFireTimes.map((at) => (
            <li key={at} className="flex items-baseline justify-between gap-3 px-4 py-1.5 text-sm">
              <span className="min-w-0">
                <span className="block truncate">{exactTime(at, zone ?? viewerZone)}</span>
                {zone && !sameClock(at, zone) && (
                  <span className="block truncate text-muted text-xs">{exactTime(at, viewerZone)}, your zone</span>
                )}
              </span>
              <span className="shrink-0 text-muted text-xs">
                <Time at={at} zone={zone} />
              </span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  )
}

function whyNone({ status, scheduleType, inFlight }: NonNullable<JobQuery['job']>): string {
  if (status === 'PAUSED') return 'It is paused.'
  if (status === 'DELETED') return 'It is deleted.'
  if (scheduleType === 'ON_DEMAND') return 'It has no schedule: it runs on request.'
  if (scheduleType === 'FIXED_DELAY' && inFlight > 0) return 'The next one follows the end of the running execution.'
  return 'Its schedule has ended.'
}
