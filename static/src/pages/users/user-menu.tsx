import { Ellipsis, KeyRound, MonitorX, Trash2, UserCheck, UserCog, UserX } from 'lucide-react'
import { useState } from 'react'
import {
  DeleteUserDocument,
  SetUserDisabledDocument,
  SignOutEverywhereDocument,
  type UserRowFragment,
} from '@/api/generated'
import { useCommand } from '@/commands/command'
import { IconButton } from '@/components/button'
import { type Question, useConfirm } from '@/components/confirm'
import { Menu, MenuItem, MenuLine } from '@/components/menu'
import { RoleDialog, SetPasswordDialog } from './user-dialogs'

/** All commands about one user. */
export function UserMenu({ user }: { user: UserRowFragment }) {
  const [open, setOpen] = useState<'role' | 'password' | null>(null)
  const commands = useUserCommands(user)
  return (
    <>
      <Menu trigger={<IconButton icon={Ellipsis} label={`More for ${user.name}`} />}>
        <MenuItem icon={UserCog} onSelect={() => setOpen('role')}>
          Change roles…
        </MenuItem>
        <MenuItem icon={KeyRound} onSelect={() => setOpen('password')}>
          Set password…
        </MenuItem>
        <MenuItem icon={MonitorX} onSelect={() => void commands.signOut()}>
          Sign out everywhere…
        </MenuItem>
        <MenuLine />
        {user.isDisabled ? (
          <MenuItem icon={UserCheck} onSelect={commands.enable}>
            Enable
          </MenuItem>
        ) : (
          <MenuItem icon={UserX} onSelect={() => void commands.disable()}>
            Disable…
          </MenuItem>
        )}
        <MenuItem icon={Trash2} danger onSelect={() => void commands.remove()}>
          Delete…
        </MenuItem>
      </Menu>
      {open === 'role' && <RoleDialog user={user} onClose={() => setOpen(null)} />}
      {open === 'password' && <SetPasswordDialog user={user} onClose={() => setOpen(null)} />}
    </>
  )
}

function useUserCommands({ id, name }: UserRowFragment) {
  const ask = useConfirm()
  const update = useCommand(SetUserDisabledDocument, (_, { isDisabled }) =>
    isDisabled ? `“${name}” is disabled.` : `“${name}” is enabled.`,
  )
  const remove = useCommand(DeleteUserDocument, () => `“${name}” is deleted.`)
  const signOut = useCommand(SignOutEverywhereDocument, () => `The sessions of “${name}” have ended.`)
  const confirmed = async (question: Question, command: () => void) => {
    if ((await ask({ ...question, danger: true })) !== null) command()
  }
  return {
    enable: () => update.mutate({ id, isDisabled: false }),
    disable: () =>
      confirmed(
        {
          title: `Disable “${name}”?`,
          text: 'The sessions of the user end at once, and no sign-in succeeds until the user is enabled.',
          action: 'Disable user',
        },
        () => update.mutate({ id, isDisabled: true }),
      ),
    signOut: () =>
      confirmed(
        {
          title: `Sign “${name}” out everywhere?`,
          text: 'All sessions of the user end. The user can sign in again.',
          action: 'Sign out everywhere',
        },
        () => signOut.mutate({ userId: id }),
      ),
    remove: () =>
      confirmed(
        {
          title: `Delete “${name}”?`,
          text: 'The user cannot be restored. The audit log and the versions of jobs keep the name. API tokens stay valid: revoke those that the user knows.',
          action: 'Delete user',
        },
        () => remove.mutate({ id }),
      ),
  }
}
