// A menu of commands behind a button, and one of options. Not modal: that would need an inline style to lock scrolling.

import { clsx } from 'clsx'
import { Check, type LucideIcon } from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import type { ReactNode } from 'react'

const CONTENT =
  'z-40 max-h-[var(--radix-dropdown-menu-content-available-height)] min-w-44 overflow-y-auto rounded-lg border bg-raised p-1 shadow-pop'
const ITEM =
  'flex h-8 items-center gap-2 rounded-md px-2 text-sm outline-none select-none cursor-pointer data-[highlighted]:bg-hover data-[disabled]:opacity-50 data-[disabled]:cursor-not-allowed'

interface MenuProps {
  trigger: ReactNode
  children: ReactNode
  align?: 'start' | 'end'
  /** Open from the start: for a menu that arrived after the click on its button. */
  defaultOpen?: boolean
}

/** The button and what opens below it. */
export function Menu({ trigger, children, align = 'end', defaultOpen }: MenuProps) {
  return (
    <DropdownMenu.Root modal={false} defaultOpen={defaultOpen}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content align={align} sideOffset={4} collisionPadding={8} className={CONTENT}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

interface MenuItemProps {
  icon?: LucideIcon
  danger?: boolean
  disabled?: boolean
  title?: string | undefined
  onSelect: () => void
  children: ReactNode
}

/** A command. */
export function MenuItem({ icon: Icon, danger, disabled, title, onSelect, children }: MenuItemProps) {
  return (
    <DropdownMenu.Item
      disabled={disabled}
      title={title}
      onSelect={onSelect}
      className={clsx(ITEM, danger && 'text-bad')}
    >
      {Icon && <Icon size={15} aria-hidden className={danger ? undefined : 'text-muted'} />}
      {children}
    </DropdownMenu.Item>
  )
}

/** An option; the menu stays open. */
export function MenuCheck(props: { checked: boolean; onChange: (checked: boolean) => void; children: ReactNode }) {
  return (
    <DropdownMenu.CheckboxItem
      checked={props.checked}
      onCheckedChange={props.onChange}
      onSelect={(event) => event.preventDefault()}
      className={ITEM}
    >
      <span className="grid size-4 place-items-center rounded border border-edge">
        {props.checked && <Check size={12} aria-hidden />}
      </span>
      {props.children}
    </DropdownMenu.CheckboxItem>
  )
}

/** A text at the head of a menu. */
export function MenuNote({ children }: { children: ReactNode }) {
  return <DropdownMenu.Label className="max-w-72 px-2 py-1.5 text-sm">{children}</DropdownMenu.Label>
}

/** A line between groups of commands. */
export function MenuLine() {
  return <DropdownMenu.Separator className="my-1 h-px bg-line" />
}
