import { Link } from '@tanstack/react-router'
import { CalendarClock } from 'lucide-react'
import type { OverviewPartsFragment } from '@/api/generated'
import { Name } from '@/components/name'
import { Panel } from '@/components/panel'
import { Empty } from '@/components/states'
import { enumLabel } from '@/components/status'
import { useStillRows } from '@/components/still'
import { Time } from '@/components/time'

type DueTrigger = OverviewPartsFragment['nextDue'][number]
const keyOf = ({ jobId, kind, fireTime, dueTime }: DueTrigger) => `${jobId} ${kind} ${fireTime} ${dueTime}`

/** The next triggers, on any node. */
export function NextDue({ fires }: { fires: DueTrigger[] }) {
  const [rows, pointing] = useStillRows(fires, keyOf)
  return (
    <Panel title="Next due" flush>
      {rows.length === 0 ? (
        <Empty icon={CalendarClock} title="Nothing is due">
          No active job has a fire time.{' '}
          <Link to="/jobs" className="text-accent hover:underline">
            See the jobs
          </Link>
        </Empty>
      ) : (
        <ul className="divide-y" {...pointing}>
          {rows.map((fire) => (
            <li key={keyOf(fire)} className="flex items-center gap-3 px-4 py-2">
              <Link
                to="/jobs/$jobId"
                params={{ jobId: fire.jobId }}
                className="min-w-0 flex-1 truncate font-medium text-sm hover:underline"
              >
                <Name text={fire.jobName} />
              </Link>
              {fire.kind !== 'SCHEDULE' && <span className="text-muted text-xs">{enumLabel(fire.kind)}</span>}
              <span className="w-20 text-right text-muted text-xs">
                <Time at={fire.dueTime} as="short" />
              </span>
              <span className="w-20 text-right text-xs">
                <Time at={fire.dueTime} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}
