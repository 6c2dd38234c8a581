import { useState } from 'react'
import type { AuditRowFragment } from '@/api/generated'
import { ChangeList } from '@/components/change-list'
import { Dialog } from '@/components/dialog'
import { Facts } from '@/components/facts'
import { Name } from '@/components/name'
import { enumLabel, StatusBadge } from '@/components/status'
import { TextBlock } from '@/components/text-block'
import { Time } from '@/components/time'
import { EntryObject } from './entry-object'
import { actionWords, detailsOf } from './words'

/** An entry with its details. It stays mounted, so that the focus returns to its row. */
export function EntryDialog({ entry, onClose }: { entry: AuditRowFragment | null; onClose: () => void }) {
  return (
    <Dialog open={entry !== null} wide onClose={onClose} title={entry ? actionWords(entry.action) : ''}>
      {entry && <Entry entry={entry} />}
    </Dialog>
  )
}

function Entry({ entry }: { entry: AuditRowFragment }) {
  const { changes, rest } = detailsOf(entry)
  return (
    <div className="flex flex-col gap-4">
      <Facts
        facts={[
          ['Outcome', <StatusBadge key="outcome" status={entry.outcome} />],
          ['Time', <Time key="time" at={entry.at} as="exact" />],
          [
            'Caller',
            <span key="caller">
              <Name text={entry.caller} />{' '}
              <span className="text-muted">({enumLabel(entry.callerKind).toLowerCase()})</span>
            </span>,
          ],
          ['Address', entry.address],
          ['Action', entry.action],
          ['Kind of object', entry.objectKind && enumLabel(entry.objectKind)],
          ['Object', <EntryObject key="object" entry={entry} />],
          ['Id of the object', entry.objectId],
          ['Number', entry.id],
        ]}
      />
      {changes.length > 0 && (
        <section aria-label="Changes">
          <h3 className="font-medium text-sm">Changes</h3>
          <ChangeList changes={changes} />
        </section>
      )}
      {rest && <TextBlock label="Details" text={rest} />}
      {changes.length === 0 && !rest && <p className="text-muted text-sm">There are no details.</p>}
    </div>
  )
}

/** The entry whose details are shown, and the dialog for it. */
export function useEntryDialog() {
  const [entry, show] = useState<AuditRowFragment | null>(null)
  return { show, dialog: <EntryDialog entry={entry} onClose={() => show(null)} /> }
}
