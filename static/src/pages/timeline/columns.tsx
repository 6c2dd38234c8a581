// A job and its marks as a row, and as a card where columns do not fit.

import { Link } from '@tanstack/react-router'
import { clsx } from 'clsx'
import type { ReactNode } from 'react'
import type { Column } from '@/components/grid'
import { Name } from '@/components/name'
import { StatusBadge } from '@/components/status'
import { count } from '@/format/number'
import { scheduleWords } from '@/format/schedule'
import { failuresOf, type Mark } from './marks'

export const ROW_HEIGHT = 44
export const CARD_HEIGHT = 72

export interface JobOfRow {
  id: string
  name: string
  scheduleDescription: string
  status: string
}

/** How the marks of a job are found and drawn. */
export interface Drawing<Row> {
  /** Above the marks: the scale. */
  header: ReactNode
  /** A track of a CSS grid. */
  width: string
  marksOf: (row: Row) => Mark[]
  lane: (row: Row) => ReactNode
}

/** The columns of a drawing; the same array for the same drawing. */
export function columnsOf<Row extends JobOfRow>({ header, width, marksOf, lane }: Drawing<Row>): Column<Row>[] {
  return [
    { id: 'job', width: 'minmax(9rem, 16rem)', header: 'Job', cell: (row) => <JobNameCell job={row} /> },
    { id: 'runs', width, header, cell: lane },
    {
      id: 'failed',
      wide: true,
      width: '4rem',
      align: 'end',
      header: 'Failed',
      cell: (row) => <FailureCount failures={failuresOf(marksOf(row))} />,
    },
  ]
}

/** A job on a narrow screen. */
export function TimelineCard<Row extends JobOfRow>({ row, drawing }: { row: Row; drawing: Drawing<Row> }) {
  return (
    <div className="flex flex-col gap-1.5">
      <div className="flex items-center justify-between gap-2">
        <JobLink job={row} />
        <FailureCount failures={failuresOf(drawing.marksOf(row))} />
      </div>
      {drawing.lane(row)}
    </div>
  )
}

function JobNameCell({ job }: { job: JobOfRow }) {
  return (
    <>
      <JobLink job={job} />
      <p className="truncate text-2xs text-muted">{scheduleWords(job)}</p>
    </>
  )
}

function JobLink({ job }: { job: JobOfRow }) {
  return (
    <span className="flex min-w-0 items-center gap-2">
      <Link to="/jobs/$jobId" params={{ jobId: job.id }} className="truncate font-medium text-sm hover:underline">
        <Name text={job.name} />
      </Link>
      {job.status !== 'ACTIVE' && <StatusBadge status={job.status} />}
    </span>
  )
}

function FailureCount({ failures }: { failures: number }) {
  return (
    <span className={clsx('shrink-0 text-xs tabular-nums', failures > 0 ? 'font-medium text-bad' : 'text-faint')}>
      {failures > 0 ? count(failures) : '–'}
    </span>
  )
}
