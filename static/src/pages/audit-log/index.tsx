// The audit log, newest first, with filters in the address.

import { getRouteApi } from '@tanstack/react-router'
import { ScrollText, SearchX } from 'lucide-react'
import { useCallback, useMemo, useState } from 'react'
import { Guarded } from '@/access/guarded'
import { NEEDED } from '@/access/rights'
import { AuditLogDocument, type AuditLogQuery, type AuditRowFragment } from '@/api/generated'
import { usePages } from '@/api/pages'
import { useEntryDialog } from '@/audit/entry-dialog'
import { type AuditSearch, auditFilterOf } from '@/audit/filter'
import { DensitySwitch } from '@/components/density-switch'
import { PagedGrid } from '@/components/paged-grid'
import { Page } from '@/components/panel'
import { Empty } from '@/components/states'
import { CARD_HEIGHT, columnsOf, EntryCard, ROW_HEIGHT } from './columns'
import { ExportButton } from './export-button'
import { Filters } from './filters'

const PAGE_SIZE = 100
/** Time between two reads, in milliseconds: no event announces an entry. */
const POLL_INTERVAL = 10_000
const route = getRouteApi('/audit-log')

export default function AuditLogPage() {
  return (
    <Guarded command="auditLog">
      <AuditLog />
    </Guarded>
  )
}

function AuditLog() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const filter = useMemo(() => auditFilterOf(search), [search])
  const [still, setStill] = useState(false)
  const entries = usePages(
    AuditLogDocument,
    { filter },
    { size: PAGE_SIZE, read, refetchInterval: POLL_INTERVAL, keyOf, still },
  )
  const change = useCallback(
    (next: Partial<AuditSearch>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true }),
    [navigate],
  )
  const { show, dialog } = useEntryDialog()
  const columns = useMemo(() => columnsOf(show), [show])
  const card = useCallback((entry: AuditRowFragment) => <EntryCard entry={entry} onShow={show} />, [show])
  const filtered = Object.values(filter).some((value) => value !== null)
  return (
    <Page
      fixed
      title="Audit log"
      note="Who did what, and what was refused; newest first"
      actions={
        <>
          <DensitySwitch />
          <ExportButton filter={filter} />
        </>
      }
    >
      <Filters search={search} onChange={change} seen={seenIn(entries)} />
      <PagedGrid
        label="Audit log"
        what="the audit log"
        pages={entries}
        empty={<NoEntries filtered={filtered} onClear={() => void navigate({ search: {} })} />}
        columns={columns}
        keyOf={keyOf}
        rowHeight={ROW_HEIGHT}
        hasDensity
        card={card}
        cardHeight={CARD_HEIGHT}
        onStill={setStill}
        news={entries.withheld.arrived > 0 ? `${entries.withheld.arrived} new` : null}
      />
      {dialog}
    </Page>
  )
}

const keyOf = (entry: AuditRowFragment) => entry.id
/** The log is not counted: that would read all of it. */
const read = ({ auditLog }: AuditLogQuery) => ({ ...auditLog, totalCount: null })

/** Rows that are looked through for the choices of the filters. */
const LOOKED_THROUGH = 200

function seenIn(entries: { count: number; rowAt: (index: number) => AuditRowFragment | undefined }) {
  const rows = Array.from({ length: Math.min(entries.count, LOOKED_THROUGH) }, (_, index) => entries.rowAt(index))
  const some = (value: (row: AuditRowFragment) => string | null) => [
    ...new Set(rows.flatMap((row) => (row && value(row)) || [])),
  ]
  return {
    callers: some((row) => row.caller),
    actions: [...new Set([...some((row) => row.action), ...Object.keys(NEEDED)])],
  }
}

function NoEntries({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  if (!filtered) return <Empty icon={ScrollText} title="The audit log is empty" />
  return (
    <Empty icon={SearchX} title="No entry matches">
      <button type="button" onClick={onClear} className="text-accent hover:underline">
        Clear the filters
      </button>
    </Empty>
  )
}
