import { Link } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { InNamespace, useInNamespace } from '@/access/me'
import { type BlackoutEndPolicy, type BlackoutRowFragment, EndBlackoutDocument, JobNameDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { useCommand } from '@/commands/command'
import { CommandButton } from '@/commands/offered'
import { useConfirm } from '@/components/confirm'
import { Name } from '@/components/name'
import { Time } from '@/components/time'
import { useNow } from '@/lib/clock'
import { BlackoutEndDialog } from './end-dialog'

interface BlackoutListProps {
  blackouts: BlackoutRowFragment[]
  /** On the page of a job: blackouts of several jobs are changed on the page of all blackouts. */
  jobId?: string
}

/** Blackouts, each with its commands. */
export function BlackoutList({ blackouts, jobId }: BlackoutListProps) {
  const [moved, setMoved] = useState<BlackoutRowFragment | null>(null)
  return (
    <>
      <ul className="divide-y">
        {blackouts.map((blackout) => (
          <BlackoutScope key={blackout.id} blackout={blackout}>
            <BlackoutItem blackout={blackout} jobId={jobId} onMove={() => setMoved(blackout)} />
          </BlackoutScope>
        ))}
      </ul>
      {moved && <BlackoutEndDialog blackout={moved} onClose={() => setMoved(null)} />}
    </>
  )
}

/** A blackout of several jobs concerns all namespaces: its commands need a role in the whole cluster. */
function BlackoutScope({ blackout, children }: { blackout: BlackoutRowFragment; children: ReactNode }) {
  const around = useInNamespace()
  return <InNamespace value={blackout.jobId ? around : null}>{children}</InNamespace>
}

interface BlackoutProps {
  blackout: BlackoutRowFragment
  jobId: string | undefined
  onMove: () => void
}

const END_POLICIES: Record<BlackoutEndPolicy, string> = {
  COLLAPSE: 'the last fire time runs',
  RUN_ALL: 'all fire times run',
  SKIP: 'no fire time runs',
}

/** "all jobs", "jobs with the tag a", "one job", "this job". */
function scopeOf({ tag, jobId }: BlackoutRowFragment, onItsPage: boolean): string {
  if (tag) return `jobs with the tag ${tag}`
  if (!jobId) return 'all jobs'
  return onItsPage ? 'this job' : 'one job'
}

function BlackoutJobLink({ id }: { id: string }) {
  const { data } = useApi(JobNameDocument, { id }, { staleTime: 60_000 })
  return (
    <Link to="/jobs/$jobId" params={{ jobId: id }} className="underline hover:text-ink">
      <Name text={data?.job?.name ?? 'one job'} />
    </Link>
  )
}

function BlackoutItem({ blackout, jobId, onMove }: BlackoutProps) {
  const onItsPage = jobId !== undefined && blackout.jobId === jobId
  const elsewhere = jobId !== undefined && !onItsPage
  const now = useNow()
  const ask = useConfirm()
  const end = useCommand(EndBlackoutDocument, () => 'The blackout is over.')
  // A blackout that was cancelled before its start ends at its start.
  const cancelled = blackout.endsAt <= blackout.startsAt
  const over = cancelled || Date.parse(blackout.endsAt) <= now
  const begun = Date.parse(blackout.startsAt) <= now
  const confirmed = async () => {
    const sure = await ask({
      title: begun ? `End “${blackout.reason}” now?` : `Cancel “${blackout.reason}”?`,
      text: begun
        ? `The blackout of ${scopeOf(blackout, onItsPage)} ends. Its deferred fire times are decided at once.`
        : `The blackout of ${scopeOf(blackout, onItsPage)} is removed before its start.`,
      action: begun ? 'End blackout' : 'Cancel blackout',
      keep: 'Keep it',
      danger: true,
    })
    if (sure !== null) end.mutate({ id: blackout.id })
  }
  return (
    <li
      className={`flex flex-wrap items-start justify-between gap-x-3 gap-y-2 px-4 py-3 text-sm ${over ? 'text-muted' : ''}`}
    >
      <div className="min-w-0 flex-[1_1_16rem]">
        <p className="font-medium [overflow-wrap:anywhere]">{blackout.reason}</p>
        <p>
          <Time at={blackout.startsAt} as="exact" /> to <Time at={blackout.endsAt} as="exact" />
        </p>
        <p className="text-muted text-xs first-letter:uppercase">
          {blackout.jobId && !onItsPage ? <BlackoutJobLink id={blackout.jobId} /> : scopeOf(blackout, onItsPage)} · at
          the end {END_POLICIES[blackout.onEnd]}
          {cancelled ? ' · cancelled' : over ? ' · over' : begun ? ' · now' : ''}
        </p>
      </div>
      {!over &&
        (elsewhere ? (
          <Link to="/calendars" className="text-accent text-xs hover:underline">
            Change it in Calendars
          </Link>
        ) : (
          <div className="flex shrink-0 flex-wrap gap-2">
            <CommandButton command="setBlackoutEnd" onClick={onMove}>
              Move end…
            </CommandButton>
            <CommandButton command="endBlackout" onClick={() => void confirmed()}>
              {begun ? 'End now…' : 'Cancel…'}
            </CommandButton>
          </div>
        ))}
    </li>
  )
}
