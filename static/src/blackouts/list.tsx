import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { type BlackoutRowFragment, EndBlackoutDocument } from '@/api/generated'
import { useCommand } from '@/api/queries'
import { useNow } from '@/app/clock'
import { Button } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { words } from '@/components/status'
import { Time } from '@/components/time'
import { BlackoutEndDialog } from './end-dialog'

/** Blackouts, each with what can still be done about it. */
export function BlackoutList({ blackouts }: { blackouts: BlackoutRowFragment[] }) {
  const [moved, setMoved] = useState<BlackoutRowFragment | null>(null)
  return (
    <>
      <ul className="divide-y">
        {blackouts.map((blackout) => (
          <Blackout key={blackout.id} blackout={blackout} onMove={() => setMoved(blackout)} />
        ))}
      </ul>
      {moved && <BlackoutEndDialog blackout={moved} onClose={() => setMoved(null)} />}
    </>
  )
}

function Blackout({ blackout, onMove }: { blackout: BlackoutRowFragment; onMove: () => void }) {
  const now = useNow()
  const ask = useConfirm()
  const end = useCommand(EndBlackoutDocument, () => 'The blackout is over.')
  // One that was cancelled before it began ends where it would have begun.
  const cancelled = blackout.endsAt <= blackout.startsAt
  const over = cancelled || Date.parse(blackout.endsAt) <= now
  const begun = Date.parse(blackout.startsAt) <= now
  const confirmed = async () => {
    const sure = await ask({
      title: begun ? 'End the blackout now?' : 'Cancel the blackout?',
      text: begun ? 'What it held back is decided about at once.' : 'It never begins.',
      action: begun ? 'End blackout' : 'Cancel blackout',
      danger: true,
    })
    if (sure !== null) end.mutate({ id: blackout.id })
  }
  return (
    <li className={`flex items-start justify-between gap-3 px-4 py-3 text-sm ${over ? 'text-muted' : ''}`}>
      <div className="min-w-0">
        <p className="font-medium [overflow-wrap:anywhere]">{blackout.reason}</p>
        <p>
          <Time at={blackout.startsAt} as="exact" /> to <Time at={blackout.endsAt} as="exact" />
        </p>
        <p className="text-muted text-xs">
          {blackout.tag && `Jobs with the tag ${blackout.tag}`}
          {blackout.jobId && (
            <Link to="/jobs/$jobId" params={{ jobId: blackout.jobId }} className="hover:underline">
              One job
            </Link>
          )}
          {!blackout.tag && !blackout.jobId && 'All jobs'} · afterwards: {words(blackout.afterwards).toLowerCase()}
          {cancelled ? ' · cancelled' : over ? ' · over' : begun ? ' · now' : ''}
        </p>
      </div>
      {!over && (
        <div className="flex shrink-0 flex-wrap justify-end gap-2">
          <Button onClick={onMove}>Move end…</Button>
          <Button onClick={() => void confirmed()}>{begun ? 'End now' : 'Cancel'}</Button>
        </div>
      )}
    </li>
  )
}
