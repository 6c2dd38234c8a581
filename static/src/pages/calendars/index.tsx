// Calendars, which say which fire times count, and blackouts, in which nothing starts.

import { Link } from '@tanstack/react-router'
import { CalendarOff, CalendarX, Pencil, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import {
  type BlackoutRowFragment,
  type CalendarRowFragment,
  ClosuresDocument,
  DeleteCalendarDocument,
  EndBlackoutDocument,
} from '@/api/generated'
import { useApi, useCommand } from '@/api/queries'
import { useNow } from '@/app/clock'
import { Button, IconButton } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { Page, Panel } from '@/components/panel'
import { Empty, Shown } from '@/components/states'
import { words } from '@/components/status'
import { Time } from '@/components/time'
import { BlackoutDialog } from './blackout-dialog'
import { BlackoutEndDialog } from './blackout-end-dialog'
import { CalendarDialog } from './calendar-dialog'
import { inWords } from './rules'

const POLL_INTERVAL = 5_000

type Open = { calendar: CalendarRowFragment | null } | { moved: BlackoutRowFragment } | 'blackout' | null

export default function CalendarsPage() {
  const [open, setOpen] = useState<Open>(null)
  const result = useApi(ClosuresDocument, {}, { refetchInterval: POLL_INTERVAL })
  return (
    <Page
      title="Calendars"
      note="A calendar says which fire times of a job count. In a blackout nothing starts by schedule."
      actions={
        <>
          <Button icon={CalendarX} onClick={() => setOpen('blackout')}>
            New blackout
          </Button>
          <Button kind="primary" icon={Plus} onClick={() => setOpen({ calendar: null })}>
            New calendar
          </Button>
        </>
      }
    >
      <Shown of={result} what="the calendars" lines={6}>
        {({ calendars, blackouts }) => (
          <div className="grid items-start gap-4 xl:grid-cols-2">
            <Panel title="Calendars" flush>
              {calendars.length === 0 && <Empty icon={CalendarOff} title="No calendar yet" />}
              <ul className="divide-y">
                {calendars.map((calendar) => (
                  <Calendar key={calendar.name} calendar={calendar} onEdit={() => setOpen({ calendar })} />
                ))}
              </ul>
            </Panel>
            <Panel title="Blackouts" flush>
              {blackouts.length === 0 && <Empty icon={CalendarX} title="No blackout is planned" />}
              <ul className="divide-y">
                {blackouts.map((blackout) => (
                  <Blackout key={blackout.id} blackout={blackout} onMove={() => setOpen({ moved: blackout })} />
                ))}
              </ul>
            </Panel>
          </div>
        )}
      </Shown>
      {open === 'blackout' && <BlackoutDialog onClose={() => setOpen(null)} />}
      {open && open !== 'blackout' && 'calendar' in open && (
        <CalendarDialog calendar={open.calendar} onClose={() => setOpen(null)} />
      )}
      {open && open !== 'blackout' && 'moved' in open && (
        <BlackoutEndDialog blackout={open.moved} onClose={() => setOpen(null)} />
      )}
    </Page>
  )
}

function Calendar({ calendar, onEdit }: { calendar: CalendarRowFragment; onEdit: () => void }) {
  const ask = useConfirm()
  const remove = useCommand(DeleteCalendarDocument, () => `Calendar “${calendar.name}” is deleted.`)
  const confirmed = async () => {
    const sure = await ask({
      title: `Delete calendar “${calendar.name}”?`,
      text: 'It is gone for good. A calendar that jobs name cannot be deleted.',
      action: 'Delete calendar',
      danger: true,
    })
    if (sure !== null) remove.mutate({ name: calendar.name })
  }
  return (
    <li className="flex items-start justify-between gap-3 px-4 py-3">
      <div className="min-w-0 text-sm">
        <p className="font-medium">
          <bdi>{calendar.name}</bdi>
        </p>
        {calendar.description && <p className="text-muted">{calendar.description}</p>}
        {inWords(calendar).map((line) => (
          <p key={line}>{line}</p>
        ))}
        <p className="text-muted text-xs">
          {calendar.timeZone} · {calendar.jobs === 1 ? 'one job' : `${calendar.jobs} jobs`} · changed{' '}
          <Time at={calendar.updatedAt} />
        </p>
      </div>
      <div className="flex shrink-0">
        <IconButton icon={Pencil} label={`Edit calendar ${calendar.name}`} onClick={onEdit} />
        <IconButton icon={Trash2} label={`Delete calendar ${calendar.name}`} onClick={() => void confirmed()} />
      </div>
    </li>
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
        <div className="flex shrink-0 gap-2">
          <Button onClick={onMove}>Move end…</Button>
          <Button onClick={() => void confirmed()}>{begun ? 'End now' : 'Cancel'}</Button>
        </div>
      )}
    </li>
  )
}
