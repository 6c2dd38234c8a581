// Calendars, which restrict fire times, and blackouts, in which nothing starts.

import { CalendarOff, CalendarX, Pencil, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { InNamespace } from '@/access/me'
import { type CalendarRowFragment, DeleteCalendarDocument, ExclusionsDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { BlackoutDialog } from '@/blackouts/dialog'
import { BlackoutList } from '@/blackouts/list'
import { useCommand } from '@/commands/command'
import { CommandButton, CommandIcon } from '@/commands/offered'
import { useConfirm } from '@/components/confirm'
import { Name } from '@/components/name'
import { Page, Panel } from '@/components/panel'
import { Empty, QueryBoundary } from '@/components/states'
import { Time } from '@/components/time'
import { CalendarDialog } from './calendar-dialog'
import { describeRules, isLong } from './rules'

const POLL_INTERVAL = 5_000

type Open = { calendar: CalendarRowFragment | null } | 'blackout' | null

export default function CalendarsPage() {
  const [open, setOpen] = useState<Open>(null)
  const result = useApi(ExclusionsDocument, {}, { refetchInterval: POLL_INTERVAL })
  return (
    <Page
      title="Calendars"
      note="A calendar restricts the fire times of its jobs. In a blackout nothing starts by schedule."
      actions={
        <>
          <CommandButton command="createBlackout" icon={CalendarX} onClick={() => setOpen('blackout')}>
            New blackout
          </CommandButton>
          <CommandButton
            command="createCalendar"
            kind="primary"
            icon={Plus}
            onClick={() => setOpen({ calendar: null })}
          >
            New calendar
          </CommandButton>
        </>
      }
    >
      <QueryBoundary query={result} what="the calendars" lines={6}>
        {({ calendars, blackouts }) => (
          <div className="grid items-start gap-4 xl:grid-cols-2">
            <Panel title="Calendars" flush>
              {calendars.length === 0 && <Empty icon={CalendarOff} title="No calendar yet" />}
              <ul className="divide-y">
                {calendars.map((calendar) => (
                  <InNamespace key={calendar.name} value={calendar.namespace}>
                    <CalendarItem calendar={calendar} onEdit={() => setOpen({ calendar })} />
                  </InNamespace>
                ))}
              </ul>
            </Panel>
            <Panel title="Blackouts" flush>
              {blackouts.length === 0 && <Empty icon={CalendarX} title="No blackout is planned" />}
              <BlackoutList blackouts={blackouts} />
            </Panel>
          </div>
        )}
      </QueryBoundary>
      {open === 'blackout' && <BlackoutDialog onClose={() => setOpen(null)} />}
      {open && open !== 'blackout' && <CalendarDialog calendar={open.calendar} onClose={() => setOpen(null)} />}
    </Page>
  )
}

function CalendarItem({ calendar, onEdit }: { calendar: CalendarRowFragment; onEdit: () => void }) {
  const [all, setAll] = useState(false)
  const ask = useConfirm()
  const remove = useCommand(DeleteCalendarDocument, () => `Calendar “${calendar.name}” is deleted.`)
  const confirmed = async () => {
    const sure = await ask({
      title: `Delete calendar “${calendar.name}”?`,
      text: 'It cannot be restored. A calendar of a job cannot be deleted.',
      action: 'Delete calendar',
      danger: true,
    })
    if (sure !== null) remove.mutate({ name: calendar.name })
  }
  return (
    <li className="flex items-start justify-between gap-3 px-4 py-3">
      <div className="min-w-0 text-sm">
        <p className="font-medium">
          <Name text={calendar.name} />
        </p>
        {calendar.description && <p className="text-muted">{calendar.description}</p>}
        {describeRules(calendar, all).map((line) => (
          <p key={line}>{line}</p>
        ))}
        {isLong(calendar) && (
          <button
            type="button"
            aria-expanded={all}
            onClick={() => setAll(!all)}
            className="text-accent text-xs hover:underline"
          >
            {all ? 'Show fewer dates' : 'Show all dates'}
          </button>
        )}
        <p className="text-muted text-xs">
          {calendar.timeZone} · {calendar.jobs === 1 ? 'one job' : `${calendar.jobs} jobs`} · changed{' '}
          <Time at={calendar.updatedAt} />
        </p>
      </div>
      <div className="flex shrink-0">
        <CommandIcon command="updateCalendar" icon={Pencil} label={`Edit calendar ${calendar.name}`} onClick={onEdit} />
        <CommandIcon
          command="deleteCalendar"
          icon={Trash2}
          label={`Delete calendar ${calendar.name}`}
          onClick={() => void confirmed()}
        />
      </div>
    </li>
  )
}
