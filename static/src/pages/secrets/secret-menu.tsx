import { Ellipsis, KeySquare, Pencil, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useOffer } from '@/access/rights'
import { DeleteSecretDocument, type SecretRowFragment } from '@/api/generated'
import { useCommand } from '@/commands/command'
import { IconButton } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { Menu, MenuItem, MenuLine } from '@/components/menu'
import { EditSecretDialog, NewValueDialog } from './secret-dialogs'

/** The commands about one secret, for callers who may change it. */
export function SecretMenu({ secret }: { secret: SecretRowFragment }) {
  const [open, setOpen] = useState<'value' | 'edit' | null>(null)
  const { shown, disabled } = useOffer('updateSecret')
  const remove = useRemoval(secret)
  if (!shown || disabled) return null
  return (
    <>
      <Menu trigger={<IconButton icon={Ellipsis} label={`More for ${secret.name}`} />}>
        <MenuItem icon={KeySquare} onSelect={() => setOpen('value')}>
          New value…
        </MenuItem>
        <MenuItem icon={Pencil} onSelect={() => setOpen('edit')}>
          Edit hosts…
        </MenuItem>
        <MenuLine />
        <MenuItem icon={Trash2} danger disabled={secret.jobCount > 0} onSelect={() => void remove()}>
          {secret.jobCount > 0 ? 'Delete (jobs refer to it)' : 'Delete…'}
        </MenuItem>
      </Menu>
      {open === 'value' && <NewValueDialog secret={secret} onClose={() => setOpen(null)} />}
      {open === 'edit' && <EditSecretDialog secret={secret} onClose={() => setOpen(null)} />}
    </>
  )
}

function useRemoval({ namespace, name }: SecretRowFragment) {
  const ask = useConfirm()
  const remove = useCommand(DeleteSecretDocument, () => `The secret “${name}” is deleted.`)
  return async () => {
    const sure = await ask({
      title: `Delete the secret “${name}”?`,
      text: 'Its value cannot be restored.',
      action: 'Delete secret',
      danger: true,
    })
    if (sure !== null) remove.mutate({ namespace, name })
  }
}
