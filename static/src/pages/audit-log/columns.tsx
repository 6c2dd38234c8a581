// An entry as a row, and as a card where columns do not fit.

import type { AuditRowFragment } from '@/api/generated'
import { EntryObject } from '@/audit/entry-object'
import { actionWords } from '@/audit/words'
import type { Column } from '@/components/grid'
import { Name } from '@/components/name'
import { enumLabel, StatusBadge } from '@/components/status'
import { Time } from '@/components/time'

export const ROW_HEIGHT = 44
export const CARD_HEIGHT = 92

interface EntryProps {
  entry: AuditRowFragment
  /** Shows the details. */
  onShow: (entry: AuditRowFragment) => void
}

/** The columns; the action opens the details. */
export function columnsOf(onShow: EntryProps['onShow']): Column<AuditRowFragment>[] {
  return [
    {
      id: 'time',
      width: '11rem',
      header: 'Time',
      cell: ({ at }) => (
        <span className="flex items-baseline gap-2">
          <Time at={at} as="short" />
          <span className="text-muted text-xs">
            <Time at={at} />
          </span>
        </span>
      ),
    },
    {
      id: 'caller',
      width: 'minmax(8rem, 1fr)',
      header: 'Caller',
      cell: ({ caller }) => (
        <span className="block truncate" title={caller}>
          <Name text={caller} />
        </span>
      ),
    },
    {
      id: 'action',
      width: 'minmax(9rem, 1fr)',
      header: 'Action',
      cell: (entry) => <ActionButton entry={entry} onShow={onShow} />,
    },
    {
      id: 'kind',
      wide: true,
      width: '7rem',
      header: 'Kind',
      cell: ({ objectKind }) => <span className="text-muted">{objectKind ? enumLabel(objectKind) : '–'}</span>,
    },
    {
      id: 'object',
      width: 'minmax(8rem, 1.5fr)',
      header: 'Object',
      cell: (entry) => (
        <span className="block truncate">
          <EntryObject entry={entry} />
        </span>
      ),
    },
    { id: 'outcome', width: '7rem', header: 'Outcome', cell: ({ outcome }) => <StatusBadge status={outcome} /> },
    {
      id: 'address',
      wide: true,
      width: '9rem',
      header: 'Address',
      cell: ({ address }) => <span className="block truncate text-muted">{address ?? '–'}</span>,
    },
  ]
}

function ActionButton({ entry, onShow }: EntryProps) {
  return (
    <button
      type="button"
      onClick={() => onShow(entry)}
      className="block max-w-full truncate text-left font-medium hover:underline"
    >
      {actionWords(entry.action)}
    </button>
  )
}

/** An entry on a narrow screen. */
export function EntryCard({ entry, onShow }: EntryProps) {
  return (
    <div className="flex flex-col gap-1">
      <div className="flex items-center justify-between gap-2">
        <ActionButton entry={entry} onShow={onShow} />
        <StatusBadge status={entry.outcome} />
      </div>
      <span className="truncate">
        <EntryObject entry={entry} />
      </span>
      <div className="flex items-center justify-between gap-2 text-muted text-xs">
        <span className="truncate">
          <Name text={entry.caller} />
        </span>
        <Time at={entry.at} as="short" />
      </div>
    </div>
  )
}
