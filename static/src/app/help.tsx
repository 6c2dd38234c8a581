import { BASE } from '@/api/base'
import { Dialog } from '@/components/dialog'
import { Kbd } from '@/components/kbd'
import { SHORTCUTS } from '@/lib/shortcuts'

/** The keys that work everywhere. */
export default function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Keyboard shortcuts">
      <dl className="flex flex-col gap-2">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={does} className="flex items-center justify-between gap-4">
            <dt className="text-muted">{does}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <p className="mt-4 border-t pt-3 text-muted text-sm">
        <a href={`${BASE}graphiql`} className="text-accent hover:underline">
          GraphiQL
        </a>{' '}
        explains the API and tries it.
      </p>
    </Dialog>
  )
}
