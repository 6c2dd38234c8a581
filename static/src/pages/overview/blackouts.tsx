import { Link } from '@tanstack/react-router'
import { CalendarOff } from 'lucide-react'
import type { OverviewPartsFragment } from '@/api/generated'
import { Name } from '@/components/name'
import { Time } from '@/components/time'

type Blackout = OverviewPartsFragment['blackouts'][number]

/** The blackouts in force: a line for each. */
export function BlackoutNotices({ blackouts }: { blackouts: Blackout[] }) {
  if (blackouts.length === 0) return null
  return (
    <section
      aria-label="Blackouts in force"
      className="flex items-start gap-3 rounded-lg border border-warn/30 bg-warn/8 px-4 py-3 text-sm"
    >
      <CalendarOff size={18} aria-hidden className="mt-0.5 shrink-0 text-warn" />
      <ul className="min-w-0">
        {blackouts.map((blackout) => (
          <li key={blackout.id} className="[overflow-wrap:anywhere]">
            <strong className="font-semibold">
              Blackout until <Time at={blackout.endsAt} as="short" />
            </strong>
            : <Name text={blackout.reason} />{' '}
            <span className="text-muted">
              (<BlackoutScope blackout={blackout} />)
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

function BlackoutScope({ blackout: { tag, jobId } }: { blackout: Blackout }) {
  if (tag !== null) return `jobs tagged ${tag}`
  if (jobId === null) return 'all jobs'
  return (
    <Link to="/jobs/$jobId" params={{ jobId }} className="text-accent underline">
      one job
    </Link>
  )
}
